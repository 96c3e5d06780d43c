"""Does a clause fit a tool: are its arguments there, and are those numbers that it counts. Pure.

A bound on an argument that the tool lacks would bound nothing, and its author would believe
in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from remit.access.draft import Clause
from remit.access.model import Bound
from remit.people.document import Problem

_NUMBERS = frozenset({"number", "integer"})
_MAX_HOPS = 8


def misfits(clause: Clause, schema: Mapping[str, Any], *, field: str, action: str) -> Iterator[Problem]:
    """What of `clause`, which stands at `field`, does not fit the tool with this input schema."""
    for bound in clause.when:
        yield from _bound_misfits(bound, schema, field=f"{field}.when.{bound.argument}", action=action)
    if clause.budget is not None:
        name = clause.budget.argument
        yield from _counted(name, schema, field=f"{field}.limits.budget.argument", action=action, what="a budget")
    if clause.conditions is not None:
        for at, step in enumerate(clause.conditions.requires_before):
            for name, _ in step.same:
                at_field = f"{field}.sequence.requires_before.{at}.same.{name}"
                yield from comparable(name, schema, field=at_field, action=action)
    for name, _ in clause.approval_above:
        yield from _counted(name, schema, field=f"{field}.approval.above.{name}", action=action, what="a threshold")


def _bound_misfits(bound: Bound, schema: Mapping[str, Any], *, field: str, action: str) -> Iterator[Problem]:
    kinds = kinds_of(schema, bound.argument)
    if kinds is None:
        yield Problem(field, f"{action} has no argument {bound.argument}")
        return
    for word, value in (("max", bound.max), ("min", bound.min)):
        if value is not None and not kinds & _NUMBERS:
            yield Problem(f"{field}.{word}", f"{bound.argument} of {action} is not a number")
    for word, text in (("prefix", bound.prefix), ("max_length", bound.max_length)):
        if text is not None and "string" not in kinds:
            yield Problem(f"{field}.{word}", f"{bound.argument} of {action} is not text")
    for at, option in enumerate(bound.in_ or ()):
        if kinds and "array" not in kinds and not _kinds_of_value(option) & kinds:
            yield Problem(f"{field}.in.{at}", f"{bound.argument} of {action} is {' or '.join(sorted(kinds))}")


def comparable(name: str, schema: Mapping[str, Any], *, field: str, action: str) -> Iterator[Problem]:
    """What keeps an argument from being compared with one of another call: it is not there, or may be no scalar."""
    kinds = kinds_of(schema, name)
    if kinds is None:
        yield Problem(field, f"{action} has no argument {name}")
    elif kinds & {"object", "array"}:
        yield Problem(field, f"{name} of {action} may be {' or '.join(sorted(kinds))}, which is not compared")


def _counted(name: str, schema: Mapping[str, Any], *, field: str, action: str, what: str) -> Iterator[Problem]:
    kinds = kinds_of(schema, name)
    if kinds is None:
        yield Problem(field, f"{action} has no argument {name}")
    elif not kinds & _NUMBERS:
        yield Problem(field, f"{name} of {action} is not a number, and {what} counts numbers")


def _kinds_of_value(option: str | Decimal | bool) -> frozenset[str]:  # noqa: FBT001 - an option may be a boolean
    if isinstance(option, bool):
        return frozenset({"boolean"})
    return frozenset({"string"}) if isinstance(option, str) else _NUMBERS


def kinds_of(schema: Mapping[str, Any], argument: str) -> frozenset[str] | None:
    """The JSON types that a top-level argument may have, null apart; None if the tool has no such argument."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or argument not in properties:
        return None
    return frozenset(_kinds(properties[argument], schema, _MAX_HOPS)) - {"null"}


def _kinds(node: object, root: Mapping[str, Any], hops: int) -> Iterator[str]:
    if not isinstance(node, Mapping) or hops == 0:
        return
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        yield from _kinds(_at(root, reference), root, hops - 1)
    said = node.get("type")
    yield from [said] if isinstance(said, str) else [kind for kind in said or () if isinstance(kind, str)]
    if said is None:
        yield from _kinds_of_values(node)
        for word in ("anyOf", "oneOf", "allOf"):
            for option in node.get(word) or ():
                yield from _kinds(option, root, hops - 1)


def _kinds_of_values(node: Mapping[str, Any]) -> Iterator[str]:
    values = node.get("enum", [node["const"]] if "const" in node else [])
    for value in values if isinstance(values, list) else ():
        if isinstance(value, (str, bool, Decimal)):
            yield from _kinds_of_value(value)
        elif isinstance(value, int):
            yield from _NUMBERS


def _at(root: object, reference: str) -> object:
    node = root
    for token in reference[2:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, Mapping) else None
    return node
