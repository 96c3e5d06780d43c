"""What a policy can never do: its condition never holds, or it asks for something that no call has (pure).

Cedar finds neither. `has` of a name that is nowhere is false and no error, so a typo behind it turns a
forbid into nothing, in silence: `context.input has amuont && ...`, `principal has verison && ...`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.policy import schema

Path = tuple[str, ...]
Kind = Mapping[str, Any]  # a type, as Cedar's JSON schema has it
_INPUT: Final = ("context", "input")
_READS: Final = frozenset({".", "has"})
_VARIABLES: Final = frozenset({"principal", "resource", "context"})
_NOTHING: Final[Kind] = {}


@dataclass(frozen=True, slots=True)
class Unheard:
    """What no action of a policy's scope has.

    Attributes:
        names: Arguments, each as it is written, from `context.input` on: `amount`, `payee.iban`; in order.
        exact: What is missing stays missing: no other action may join the scope and have it.
        others: What else of a call is not there, as it is written: `principal.verison`; in order.
    """

    names: tuple[str, ...]
    exact: bool
    others: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """In words."""
        said = [f"no action of its scope has the argument {', '.join(self.names)}"] if self.names else []
        return "; ".join([*said, *([f"no call of an agent has {', '.join(self.others)}"] if self.others else [])])


def never_holds(cedar: Mapping[str, Any]) -> bool:
    """Whether a condition is written so that it never holds, as `when { false }`."""
    return any(
        _constant(condition["body"]) is (condition["kind"] != "when") for condition in cedar.get("conditions", ())
    )


class Calls:
    """What is known of calls, looked up once for many policies.

    Args:
        catalog: What is known, as `schema.for_catalog` makes it.
    """

    def __init__(self, catalog: Mapping[str, Any]) -> None:
        own = catalog.get(schema.NAMESPACE, _NOTHING)
        self._actions: Mapping[str, Any] = own.get("actions", _NOTHING)
        self._entities: Mapping[str, Kind] = own.get("entityTypes", _NOTHING)
        self._known: dict[tuple[str, ...], list[Kind]] = {}  # by what a scope names

    def unheard(self, cedar: Mapping[str, Any]) -> Unheard | None:
        """What a policy reads or asks `has` for, and what no action of its scope has.

        Args:
            cedar: The policy, as Cedar's JSON.

        Returns:
            None if there is nothing, or if the scope names what is not known here: then nothing can be said.
        """
        named = _named(cedar["action"])
        if named is None or not (calls := self._calls(named)):
            return None
        paths = [_missing(path, calls, self._entities) for path in _asked(cedar.get("conditions", ()))]
        names = dict.fromkeys(".".join(path[len(_INPUT) :]) for path in paths if path[: len(_INPUT)] == _INPUT)
        others = dict.fromkeys(".".join(path) for path in paths if path and path[: len(_INPUT)] != _INPUT)
        if not names and not others:
            return None
        # Who calls, and all of a call but its arguments, is the same whatever action joins a group.
        exact = bool(named) and (bool(others) or all("appliesTo" in self._actions[name] for name in named))
        return Unheard(tuple(names), exact, tuple(others))

    def _calls(self, named: tuple[str, ...]) -> list[Kind]:
        """The calls of a scope; none if it names what is not known."""
        found = self._known.get(named)
        if found is None:
            known = all(name in self._actions for name in named)
            every = self._actions.items() if known else ()
            found = self._known[named] = [
                action for name, action in every if "appliesTo" in action and _within(name, action, named)
            ]
        return found


def unheard(cedar: Mapping[str, Any], catalog: Mapping[str, Any]) -> Unheard | None:
    """`Calls.unheard` of one policy."""
    return Calls(catalog).unheard(cedar)


def _named(constraint: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The actions and groups of a scope; none of them: all. None if it names what is not of Remit's own types."""
    entities = [*constraint.get("entities", ()), *([constraint["entity"]] if "entity" in constraint else [])]
    return None if any(each["type"] != schema.ACTION for each in entities) else tuple(each["id"] for each in entities)


def _within(name: str, action: Mapping[str, Any], named: tuple[str, ...]) -> bool:
    return not named or name in named or any(group["id"] in named for group in action["memberOf"])


def _missing(path: Path, calls: list[Kind], entities: Mapping[str, Kind]) -> Path:
    """The shortest part of a path that none of the calls has; empty if one of them has all of it."""
    furthest = 0
    for each in calls if path[: len(_INPUT)] == _INPUT else calls[:1]:  # but for their arguments, all calls are alike
        furthest = max(furthest, _depth(path, each["appliesTo"], entities))
        if furthest == len(path):
            return ()
    return path[: furthest + 1]


def _depth(path: Path, call: Kind, entities: Mapping[str, Kind]) -> int:
    """How many names of a path are there."""
    root, *names = path
    if root == "context":
        kind: Kind = call["context"]
    else:  # an agent's call is of one kind of principal, and on one kind of resource
        kind = {"type": "Entity", "name": call[f"{root}Types"][0]}
    for at, name in enumerate(names, start=1):
        record = entities.get(kind["name"], _NOTHING).get("shape", _NOTHING) if kind["type"] == "Entity" else kind
        attributes = record.get("attributes", _NOTHING)
        if name not in attributes:
            return at
        kind = attributes[name]
    return len(path)


def _asked(conditions: object) -> list[Path]:
    """The paths of a call that are read or asked for anywhere in conditions, as they stand."""
    found: list[Path] = []
    _ask(conditions, found)
    return found


def _ask(node: object, found: list[Path]) -> None:
    if isinstance(node, list):
        for each in node:
            _ask(each, found)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _READS and isinstance(value, dict):
                path = _path(node if key == "." else {".": value})
                if path is not None and path[0] in _VARIABLES:
                    found.append(path)
            if key != "Value" and isinstance(value, (dict, list)):
                _ask(value, found)


def _path(node: object) -> Path | None:
    if not isinstance(node, dict):
        return None
    if "Var" in node:
        return (str(node["Var"]),)
    access = node.get(".")
    before = _path(access["left"]) if isinstance(access, dict) else None
    return None if before is None or access is None else (*before, str(access["attr"]))


def _constant(node: object) -> bool | None:
    """What an expression is, whatever the call; None if that depends on the call, or is not seen here."""
    if not isinstance(node, Mapping):
        return None
    if isinstance(node.get("Value"), bool):
        return bool(node["Value"])
    if "!" in node:
        inner = _constant(node["!"]["arg"])
        return None if inner is None else not inner
    if "if-then-else" in node:
        return _chosen(*(_constant(node["if-then-else"][each]) for each in ("if", "then", "else")))
    for operator, decisive in (("&&", False), ("||", True)):
        if operator in node:
            sides = [_constant(node[operator][side]) for side in ("left", "right")]
            return decisive if decisive in sides else None if None in sides else not decisive
    return None


def _chosen(condition: bool | None, yes: bool | None, no: bool | None) -> bool | None:  # noqa: FBT001 - three of a kind
    """What `if condition then yes else no` is."""
    if condition is None:
        return yes if yes is no else None
    return yes if condition else no
