"""Policies found by what their scopes name: what a question costs does not grow with what others are about (pure).

Each policy stands under one part of its scope, the one that says most: a principal, a resource, an action, then
a type. It is a pre-selection only, and errs towards more: the engine still checks each scope.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Uid = tuple[str, str]
_PARTS: Final = ("principal", "resource", "action")
Key = tuple[str, str, str]  # part, type, id
_STEPS: Final = (".", "has", "getTag", "hasTag")
_ANY: Final[Key] = ("", "", "")


@dataclass(frozen=True, slots=True)
class About:
    """What a question is about: each entity with everything it is in, the entity itself first."""

    principal: Sequence[Uid]
    action: Sequence[Uid]
    resource: Sequence[Uid]

    def keys(self) -> Iterator[Key]:
        """Where policies that can apply stand."""
        yield _ANY
        for part in _PARTS:
            within: Sequence[Uid] = getattr(self, part)
            yield (f"is {part}", within[0][0], "")
            for kind, name in within:
                yield (part, kind, name)


class Index:
    """Policies by key, each with its place among all."""

    def __init__(self, policies: Iterable[Mapping[str, Any]] = ()) -> None:
        self._places: dict[Key, list[int]] = defaultdict(list)
        for place, policy in enumerate(policies):
            for key in _keys(policy):
                self._places[key].append(place)

    def places(self, about: About) -> list[int]:
        """The places of the policies that can apply, in order."""
        found = (self._places[key] for key in about.keys() if key in self._places)  # noqa: SIM118 - its own method
        return sorted({place for places in found for place in places})


def _keys(policy: Mapping[str, Any]) -> list[Key]:
    """Where a policy stands: under each entity of the first part that names any, else under a type, else under all."""
    for part in _PARTS:
        if named := _entities(policy.get(part)):
            return [(part, kind, name) for kind, name in named]
    for part in _PARTS:
        said = policy.get(part)
        if isinstance(said, dict) and said.get("op") == "is" and isinstance(said.get("entity_type"), str):
            return [(f"is {part}", said["entity_type"], "")]
    return [_ANY]


def _entities(constraint: object) -> list[Uid]:
    """The entities of `== E`, `in E`, `in [E, ...]` and `is T in E`; none for whatever else."""
    if not isinstance(constraint, dict):
        return []
    held = constraint.get("in") if constraint.get("op") == "is" else constraint
    if not isinstance(held, dict):
        return []
    named = held.get("entities", [held.get("entity")])
    if not isinstance(named, list) or not all(isinstance(each, dict) for each in named):
        return []
    return [(str(each.get("type")), str(each.get("id"))) for each in named]


def depth(conditions: object) -> int:
    """The longest chain of attributes in a policy's conditions: as many steps it can look from entity to entity."""
    if isinstance(conditions, list):
        return max(map(depth, conditions), default=0)
    if not isinstance(conditions, Mapping):
        return 0
    step = sum(word in conditions for word in _STEPS)
    return step + max(map(depth, conditions.values()), default=0)
