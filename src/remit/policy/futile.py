"""What a policy can never do: its condition never holds, or it asks for an argument that no call has (pure).

Cedar finds neither. `has` of a name that is nowhere is false and no error, so a typo behind it turns a
forbid into nothing, in silence: `context.input has amuont && ...`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.policy import schema

Path = tuple[str, ...]
Attributes = Mapping[str, Any]  # of a record, as Cedar's JSON schema has them
_INPUT: Final = ("context", "input")
_READS: Final = frozenset({".", "has"})


@dataclass(frozen=True, slots=True)
class Unheard:
    """Arguments that no action of a policy's scope has.

    Attributes:
        names: Each as it is written, from `context.input` on: `amount`, `payee.iban`; in order.
        exact: The scope names actions alone, and no group that others may join.
    """

    names: tuple[str, ...]
    exact: bool

    @property
    def what(self) -> str:
        """In words."""
        return f"no action of its scope has the argument {', '.join(self.names)}"


def never_holds(cedar: Mapping[str, Any]) -> bool:
    """Whether a condition is written so that it never holds, as `when { false }`."""
    return any(
        _constant(condition["body"]) is (condition["kind"] != "when") for condition in cedar.get("conditions", ())
    )


class Arguments:
    """What is known of the arguments of calls, looked up once for many policies.

    Args:
        catalog: What is known, as `schema.for_catalog` makes it.
    """

    def __init__(self, catalog: Mapping[str, Any]) -> None:
        actions: Mapping[str, Any] = catalog.get(schema.NAMESPACE, {}).get("actions", {})
        self._actions = actions
        self._calls = {name: action for name, action in actions.items() if "appliesTo" in action}
        self._known: dict[tuple[str, ...], list[Attributes]] = {}  # by what a scope names

    def unheard(self, cedar: Mapping[str, Any]) -> Unheard | None:
        """The arguments that a policy reads or asks `has` for, and that no action of its scope has.

        Args:
            cedar: The policy, as Cedar's JSON.

        Returns:
            None if there are none, or if the scope names what is not known here: then nothing can be said.
        """
        named = _named(cedar["action"])
        if named is None or not (inputs := self._inputs(named)):
            return None
        paths = [_missing(path, inputs) for path in _asked(cedar.get("conditions", ()))]
        found = dict.fromkeys(".".join(path) for path in paths if path)
        exact = bool(named) and all(name in self._calls for name in named)
        return Unheard(tuple(found), exact) if found else None

    def _inputs(self, named: tuple[str, ...]) -> list[Attributes]:
        """What the calls of a scope take; none if it names what is not known."""
        found = self._known.get(named)
        if found is None:
            known = all(name in self._actions for name in named)
            calls = self._calls.items() if known else ()
            found = self._known[named] = [_input(action) for name, action in calls if _within(name, action, named)]
        return found


def unheard(cedar: Mapping[str, Any], catalog: Mapping[str, Any]) -> Unheard | None:
    """`Arguments.unheard` of one policy."""
    return Arguments(catalog).unheard(cedar)


def _named(constraint: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The actions and groups of a scope; none of them: all. None if it names what is not of Remit's own types."""
    entities = [*constraint.get("entities", ()), *([constraint["entity"]] if "entity" in constraint else [])]
    return None if any(each["type"] != schema.ACTION for each in entities) else tuple(each["id"] for each in entities)


def _within(name: str, action: Mapping[str, Any], named: tuple[str, ...]) -> bool:
    return not named or name in named or any(group["id"] in named for group in action["memberOf"])


def _input(action: Mapping[str, Any]) -> Attributes:
    found: Attributes = action["appliesTo"]["context"]["attributes"]["input"]["attributes"]
    return found


def _missing(path: Path, inputs: list[Attributes]) -> Path:
    """The shortest part of a path that none of the inputs has; empty if one of them has all of it."""
    furthest = max(_depth(path, each) for each in inputs)
    return path[: furthest + 1] if furthest < len(path) else ()


def _depth(path: Path, attributes: Attributes) -> int:
    """How many names of a path are there."""
    for at, name in enumerate(path):
        if name not in attributes:
            return at
        attributes = attributes[name].get("attributes", {})
    return len(path)


def _asked(conditions: object) -> list[Path]:
    """The paths from `context.input` on that are read or asked for anywhere in conditions, as they stand."""
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
                if path is not None and path[:2] == _INPUT and len(path) > len(_INPUT):
                    found.append(path[len(_INPUT) :])
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
    if not isinstance(node, dict):
        return None
    if isinstance(node.get("Value"), bool):
        return bool(node["Value"])
    if "!" in node:
        inner = _constant(node["!"]["arg"])
        return None if inner is None else not inner
    for operator, decisive in (("&&", False), ("||", True)):
        if operator in node:
            sides = [_constant(node[operator][side]) for side in ("left", "right")]
            if decisive in sides:
                return decisive
            return None if None in sides else not decisive
    return None
