"""Which entities a question needs, of all that are stored (pure): not one more than its policies can look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from remit.policy.declared.model import Declared, Entity
from remit.policy.declared.types import Uid

MOST: Final = 5_000  # entities of one question
_NOTHING: Final = Entity({}, (), {})


class TooMany(Exception):
    """A question would have to look at more entities than one decision may."""


class Closure:
    """The entities around a question.

    Args:
        declared: What is stored.
        asked: The subject and the resource, with what was sent about them.
    """

    def __init__(self, declared: Declared, asked: Mapping[Uid, Entity]) -> None:
        self._declared = declared
        self._asked = asked

    def within(self, uid: Uid) -> list[Uid]:
        """An entity and everything it is in, however far up; itself first."""
        found: dict[Uid, None] = {uid: None}
        waiting = [uid]
        while waiting:
            for parent in (self._entity(waiting.pop()) or _NOTHING).parents:
                if parent not in found:
                    found[parent] = None
                    waiting.append(parent)
            if len(found) > MOST:
                raise TooMany(f'{uid[0]}::"{uid[1]}" is in more than {MOST} others')
        return list(found)

    def rows(self, named: Iterable[Uid], *, depth: int) -> list[dict[str, Any]]:
        """Cedar's JSON of the subject, the resource and the `named`, of what they name `depth` steps on, and of
        everything that any of these is in.

        Raises:
            TooMany: These are too many.
        """
        found: dict[Uid, Entity] = {}
        looked: set[Uid] = set()  # what is there because something is in it was not looked at yet
        level: list[Uid] = [*self._asked, *named]
        for _ in range(depth + 1):
            fresh = [uid for uid in dict.fromkeys(level) if uid not in looked]
            looked.update(fresh)
            for uid in fresh:
                self._take(uid, found)
            known = [found[uid] for uid in fresh if uid in found]
            level = [each for entity in known for each in _names([entity.attributes, entity.tags])]
        return [row(uid, found[uid]) for uid in sorted(found)]

    def _take(self, uid: Uid, found: dict[Uid, Entity]) -> None:
        """Add an entity and what it is in. With one that is there already, what it is in is there too."""
        if uid in found:
            return
        for each in self.within(uid):
            if each not in found and (entity := self._entity(each)) is not None:
                found[each] = entity
        if len(found) > MOST:
            raise TooMany(f"the question is about more than {MOST} entities")

    def _entity(self, uid: Uid) -> Entity | None:
        """An entity; one that is not stored and needs no attribute is there without any."""
        known = self._asked.get(uid) or self._declared.entity(uid)
        if known is not None:
            return known
        kind = self._declared.entity_types.get(uid[0])
        return _NOTHING if kind is not None and not kind.required and (kind.ids is None or uid[1] in kind.ids) else None


def _names(value: object) -> Iterator[Uid]:
    """The entities that a value in Cedar's JSON names."""
    if isinstance(value, Mapping):
        if value.keys() == {"__entity"}:
            yield value["__entity"]["type"], value["__entity"]["id"]
            return
        for member in value.values():
            yield from _names(member)
    elif isinstance(value, list):
        for member in value:
            yield from _names(member)


def row(uid: Uid, entity: Entity) -> dict[str, Any]:
    """An entity in Cedar's JSON."""
    said: dict[str, Any] = {
        "uid": {"type": uid[0], "id": uid[1]},
        "attrs": entity.attributes,
        "parents": [{"type": kind, "id": name} for kind, name in entity.parents],
    }
    return said | ({"tags": entity.tags} if entity.tags else {})
