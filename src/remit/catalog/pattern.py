"""Patterns over names: only `*` is special, and stands for any characters, or none. Pure.

No regular expressions: a pattern is somebody's input, and greedy search from the left is
enough and never slow.
"""

from __future__ import annotations


def matches(pattern: str, name: str) -> bool:
    """Whether `pattern` matches the whole of `name`."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, last = rest
    if len(first) + len(last) > len(name) or not name.startswith(first) or not name.endswith(last):
        return False
    at, stop = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, stop)
        if found < 0:
            return False
        at = found + len(part)
    return True
