"""What depends on what among the actions of a boundary (pure): an owner says that one needs another.

What is needed does not go for want of use before what needs it (leaf first), and what needs something
that was suspended is not in force without it. Both reach through: what is needed by what is needed counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import TypeVar

A = TypeVar("A", bound=str)


def closure(edges: Mapping[A, Collection[A]]) -> dict[A, tuple[A, ...]]:
    """For each that has an edge: everything that can be reached from it, itself left out, in order of names."""
    found: dict[A, tuple[A, ...]] = {}
    for start in edges:
        seen: set[A] = set()
        left = list(edges[start])
        while left:
            each = left.pop()
            if each not in seen:
                seen.add(each)
                left += edges.get(each, ())
        found[start] = tuple(sorted(seen - {start}))
    return found


def turned(edges: Mapping[A, Collection[A]]) -> dict[A, list[A]]:
    """The same edges the other way round."""
    found: dict[A, list[A]] = defaultdict(list)
    for start in sorted(edges):
        for each in edges[start]:
            found[each].append(start)
    return dict(found)


def circle(edges: Mapping[A, Collection[A]]) -> A | None:
    """The first that needs itself, directly or through others; None if there is none."""
    around = closure(edges)
    return next((a for a in sorted(edges) if any(a == each or a in around.get(each, ()) for each in edges[a])), None)
