"""Policies found by what their scopes name: what a question costs does not grow with what others are about (pure).

Each policy stands under the part of its scope that it shares with the fewest others. It is a pre-selection only,
and errs towards more: the engine still checks each scope.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.canonical import encode

Uid = tuple[str, str]
_PARTS: Final = ("principal", "resource", "action")
Key = tuple[str, str, str]  # part, type, id
_STEPS: Final = frozenset({".", "has", "getTag", "hasTag"})
_COMPARES: Final = frozenset({"==", "!=", "in"})
ANY: Final[Key] = ("", "", "")
_NAMED: Final = b"__entity"


@dataclass(frozen=True, slots=True)
class About:
    """What a question is about: each entity with everything it is in, the entity itself first."""

    principal: Sequence[Uid]
    action: Sequence[Uid]
    resource: Sequence[Uid]

    def keys(self) -> Iterator[Key]:
        """Where policies that can apply stand."""
        yield ANY
        for part in _PARTS:
            within: Sequence[Uid] = getattr(self, part)
            yield (f"is {part}", within[0][0], "")
            for kind, name in within:
                yield (part, kind, name)


class Index:
    """Policies by key, each with its place among all, and by which keys it can apply at all.

    Args:
        policies: Cedar's JSON of each.
        of: What holds them: an index is of these and no others.
    """

    def __init__(self, policies: Iterable[Mapping[str, Any]] = (), *, of: object = None) -> None:
        self.of = of
        self._needs = [_needs(policy) for policy in policies]
        share = Counter(key for needs in self._needs for keys in needs for key in keys)
        self._places: dict[Key, list[int]] = defaultdict(list)
        for place, needs in enumerate(self._needs):
            # Under the part that it shares with the fewest.
            for key in min(needs, key=lambda keys: max(share[key] for key in keys), default=(ANY,)):
                self._places[key].append(place)

    def places(self, keys: AbstractSet[Key]) -> list[int]:
        """The places of the policies that can apply to a question with these keys, in order."""
        found = {place for key in keys if key in self._places for place in self._places[key]}
        return sorted(place for place in found if all(not keys.isdisjoint(each) for each in self._needs[place]))


def applies(policy: Mapping[str, Any], keys: AbstractSet[Key]) -> bool:
    """Whether a policy can apply to a question with these keys."""
    return all(not keys.isdisjoint(each) for each in _needs(policy))


def _needs(policy: Mapping[str, Any]) -> list[tuple[Key, ...]]:
    """Of each part of a scope that says something, the keys of which a question must have one."""
    needs: list[tuple[Key, ...]] = []
    for part in _PARTS:
        said = policy.get(part)
        if isinstance(said, dict) and said.get("op") == "is" and isinstance(said.get("entity_type"), str):
            needs.append(((f"is {part}", said["entity_type"], ""),))
        if named := _entities(said):
            needs.append(tuple((part, kind, name) for kind, name in named))
    return needs


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
    if not isinstance(conditions, dict):
        return 0
    steps, most = 0, 0
    for word, each in conditions.items():
        steps += word in _STEPS
        if isinstance(each, (dict, list)) and (below := depth(each)) > most:
            most = below
    return steps + most


def looked_at(conditions: object) -> set[Uid]:
    """The entities that a policy's conditions name and look at. One that is only compared with is not looked at."""
    found = set[Uid]()
    if _NAMED in encode(conditions):  # most name none, which is seen in a tenth of the time
        _look(conditions, found)
    return found


def _look(node: object, found: set[Uid]) -> None:
    if isinstance(node, list):
        for each in node:
            _look(each, found)
    elif isinstance(node, dict):
        for word, said in node.items():
            if word == "__entity":
                found.add((str(said.get("type")), str(said.get("id"))))
            elif isinstance(said, (dict, list)):
                _look(_into(word, said), found)


def _into(word: str, said: object) -> object:
    """Of what stands under a word, what may be looked at."""
    if word == "Set" and isinstance(said, list):
        return [each for each in said if not _literal(each)]
    if word in _COMPARES and isinstance(said, dict) and said.keys() == {"left", "right"}:
        # What is asked whether it is in something is looked at; what it may be in is not.
        sides = said.items()
        return [each for side, each in sides if (word == "in" and side == "left") or not _literal(each)]
    return said


def _literal(node: object) -> bool:
    return isinstance(node, dict) and node.keys() == {"Value"}
