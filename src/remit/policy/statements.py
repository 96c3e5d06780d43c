"""Cedar text split into its statements, each of which may be one policy, before the engine reads any of it (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

# Up to the semicolon that ends it, or to the end: plain text, strings and comments; never tried in another way.
_STATEMENT: Final = re.compile(r'(?:[^"/;]++|"(?:[^"\\]|\\.)*+(?:"|\Z)|//[^\n]*+|/)*+(;|\Z)', re.DOTALL)
_LEAD: Final = re.compile(r"(?:[^\S\n]*(?://[^\n]*)?\n)*")  # blank and comment lines, whole ones


class Statement(NamedTuple):
    """What may be one policy: the line that it begins on, its text, and where in its file all of it stands.

    The text is without the blank and comment lines before it; those are between `start` and `end`.
    """

    line: int
    text: str
    start: int
    end: int


def statements(text: str) -> Iterator[Statement]:
    """Split Cedar text at the semicolons that end policies.

    Semicolons in strings and in comments end nothing; Cedar has line comments only. What stands behind the last one
    is a statement if it is more than comments; else it goes with the one before.
    """
    start, line = 0, 1
    last: Statement | None = None
    while start < len(text):
        found = _STATEMENT.match(text, start)
        end = found.end() if found else len(text)
        if not (found and found[1]) and not _code(text[start:end]):
            break
        if last is not None:
            yield last
        last = _statement(text, start, end, line)
        line += text.count("\n", start, end)
        start = end
    if last is not None:
        yield last._replace(end=len(text))


def _statement(text: str, start: int, end: int, line: int) -> Statement:
    """A statement without the blank and comment lines before it, and the line that it begins on."""
    lead = _LEAD.match(text, start, end)
    first = lead.end() if lead else start
    return Statement(line + text.count("\n", start, first), text[first:end], start, end)


def _code(text: str) -> bool:
    """Whether there is anything but blanks and comments."""
    return any(line.strip() and not line.strip().startswith("//") for line in text.split("\n"))
