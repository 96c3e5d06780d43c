"""Patterns over action names: only `*` is special. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from remit.catalog.pattern import matches


def matches_any(patterns: Iterable[str], action: str) -> bool:
    """Whether one of the patterns matches the action."""
    return any(matches(pattern, action) for pattern in patterns)


def covers(wide: str, narrow: str) -> bool:
    """Whether everything that `narrow` can match, `wide` matches too.

    Read as a name, `narrow` has its own `*` in it, and only a `*` of `wide` can match that one:
    so whatever stands in its place is matched as well.
    """
    return matches(wide, narrow)


def covered(patterns: Iterable[str], narrow: str) -> bool:
    """Whether one of the patterns covers `narrow`. That several together might is not looked for."""
    return any(covers(pattern, narrow) for pattern in patterns)
