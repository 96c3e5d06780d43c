"""What the database says of marks, for who asks without calling: `can`, mandates. The writer sees to a call's."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select

from remit.storage.effects import MARKS
from remit.storage.model import Effect, Marked, Unmarked
from remit.storage.schema import counters


def unmet(connection: Connection, effects: Iterable[Effect]) -> frozenset[str]:
    """The keys of those that would fail now."""
    asked = [effect for effect in effects if isinstance(effect, (Marked, Unmarked))]
    at = marked(connection, {effect.key for effect in asked})
    return frozenset(each.key for each in asked if _fails(each, at.get(each.key, 0)))


def marked(connection: Connection, keys: Collection[str]) -> dict[str, int]:
    """When each of them was marked last; without those that never were."""
    query = select(counters.c.key, counters.c.used).where(counters.c.key.in_(sorted(keys)), counters.c.window == MARKS)
    return {row.key: row.used for row in connection.execute(query) if row.used} if keys else {}


def _fails(effect: Marked | Unmarked, at: int) -> bool:
    return bool(at) if isinstance(effect, Unmarked) else at < max(1, effect.since)
