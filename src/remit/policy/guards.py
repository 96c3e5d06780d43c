"""Where a Cedar condition can err: an attribute that may be missing, a number that may overflow (pure).

An error in one policy refuses the call, because a `forbid` that errs is skipped by Cedar. So a
condition asks `has` before it reads what an agent may leave out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Path = tuple[str, ...]
Guards = frozenset[Path]
_NONE: Guards = frozenset()
_OPTIONAL: Final = ("context", "input")  # what an agent sends; a tool's schema says what it may leave out
_ARITHMETIC: Final = frozenset({"+", "-", "*", "neg"})
_MADE_FROM_TEXT: Final = frozenset({"decimal", "datetime", "duration", "ip"})


def missing(cedar: Mapping[str, Any]) -> list[str]:
    """The arguments that a policy reads without having asked `has`, as they are written, in order."""
    found: dict[str, None] = {}
    guards = _NONE
    for condition in cedar.get("conditions", ()):
        body = condition["body"]
        for path in _unguarded(body, guards):
            found[".".join(path)] = None
        guards |= _when(body) if condition["kind"] == "when" else _when_not(body)
    return list(found)


def overflows(cedar: Mapping[str, Any]) -> bool:
    """Whether it computes with numbers that are not written out."""
    return any(key in _ARITHMETIC and not _written(value) for key, value in _nodes(cedar.get("conditions", ())))


def made_from_text(cedar: Mapping[str, Any]) -> list[str]:
    """The functions by which it makes a value of text that is not written out, and may be no such value."""
    nodes = _nodes(cedar.get("conditions", ()))
    return sorted({key for key, value in nodes if key in _MADE_FROM_TEXT and not _written(value)})


def _nodes(node: object) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield key, value
            if key != "Value":
                yield from _nodes(value)
    elif isinstance(node, list):
        for each in node:
            yield from _nodes(each)


def _written(value: object) -> bool:
    """Whether nothing but literals stands there."""
    return not any(key in {"Var", "."} for key, _ in _nodes(value))


def _unguarded(node: object, guards: Guards) -> Iterator[Path]:
    """Reads of what may be missing, where `guards` are known to be there."""
    if isinstance(node, list):
        for each in node:
            yield from _unguarded(each, guards)
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        if key == "Value":
            continue
        if key in {"&&", "||"}:
            yield from _unguarded(value["left"], guards)
            left = _when(value["left"]) if key == "&&" else _when_not(value["left"])
            yield from _unguarded(value["right"], guards | left)
        elif key == "if-then-else":
            yield from _unguarded(value["if"], guards)
            yield from _unguarded(value["then"], guards | _when(value["if"]))
            yield from _unguarded(value["else"], guards | _when_not(value["if"]))
        elif key == "." and (path := _path(node)) is not None:
            if path[: len(_OPTIONAL)] == _OPTIONAL and len(path) > len(_OPTIONAL) and path not in guards:
                yield path
        else:
            yield from _unguarded(value, guards)


def _path(node: object) -> Path | None:
    """`context.input.amount` as its parts; None for anything else."""
    if not isinstance(node, Mapping):
        return None
    if "Var" in node:
        return (str(node["Var"]),)
    access = node.get(".")
    before = _path(access["left"]) if isinstance(access, Mapping) else None
    return None if before is None or access is None else (*before, str(access["attr"]))


def _when(node: object) -> Guards:
    """What is there if the condition holds."""
    if not isinstance(node, Mapping):
        return _NONE
    if "has" in node:
        path = _path(node["has"]["left"])
        return _NONE if path is None else frozenset({(*path, str(node["has"]["attr"]))})
    if "!" in node:
        return _when_not(node["!"]["arg"])
    if "&&" in node:
        return _when(node["&&"]["left"]) | _when(node["&&"]["right"])
    if "||" in node:
        return _when(node["||"]["left"]) & _when(node["||"]["right"])
    return _NONE


def _when_not(node: object) -> Guards:
    """What is there if the condition does not hold."""
    if not isinstance(node, Mapping):
        return _NONE
    if "!" in node:
        return _when(node["!"]["arg"])
    if "&&" in node:
        return _when_not(node["&&"]["left"]) & _when_not(node["&&"]["right"])
    if "||" in node:
        return _when_not(node["||"]["left"]) | _when_not(node["||"]["right"])
    return _NONE
