"""A call's arguments from its path, query and JSON body (pure).

All of them are told to the decision by their names alone, wherever they stood, and go upstream where they stood. A
number in a path or query is its literal, by the type that the pinned schema gives it: what is compared is what is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.catalog.operation import Operation
from remit.enforcement.http_names import alike
from remit.kernel.canonical import parse
from remit.policy.arguments import exact

# RFC 8259 section 6: what JSON would read as this number, written exactly so.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?\Z")
_SHORT: Final = 15
_TRUTH: Final = {"true": True, "false": False}
_NAMELESS: Final = ""  # of a body that is no object: no schema lists it


@dataclass(slots=True)
class Arguments:
    """What a decision is told. `fault`: why it may not be forwarded even if it is allowed; empty if it may."""

    values: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


def arguments(
    operation: Operation,
    path: Mapping[str, str],
    query: Sequence[tuple[str, str]],
    body: Any | None,  # noqa: ANN401 - any JSON
) -> Arguments:
    """The arguments of a call.

    A name that comes twice has both values as its value, so that no schema of a single one takes it.

    Args:
        operation: What is called.
        path: The values of its path's parameters.
        query: The query's pairs.
        body: A JSON body, strictly read; None where there is none.
    """
    found = Arguments({name: typed(value, operation.types.get(name)) for name, value in path.items()})
    by_name: dict[str, list[str]] = {}
    for name, value in query:
        by_name.setdefault(name, []).append(value)
    for name, values in by_name.items():
        _add(found, name, _of_query(operation, name, values))
        if operation.query is not None and name not in operation.query:
            found.fault = found.fault or f"{name[:80]} is no field of the query"
    _of_body(found, operation, body)
    if not found.fault and (two := alike(found.values, operation.types)) is not None:
        found.fault = f"{two[0][:80]} and {two[1][:80]} are one name for some servers"
    return found


def typed(text: str, schema: object) -> Any:  # noqa: ANN401 - text, a number, true or false
    """A text as its schema's type reads it; as it is where it does not."""
    kind = _kind(schema)
    if kind in ("integer", "number") and _NUMBER.match(text):
        if len(text) <= _SHORT and text.isdigit():
            return int(text)  # exact, and the literal that it is written as: most are
        value = parse(text)
        # One that is exact and would be written otherwise is not what would be sent.
        return text if exact(value) and str(value) != text else value
    if kind == "boolean":
        return _TRUTH.get(text, text)
    return text


def _add(found: Arguments, name: str, value: object) -> None:
    if name in found.values:
        found.values[name] = [found.values[name], value]
        found.fault = found.fault or f"{name[:80]} stands there twice"
    else:
        found.values[name] = value


def _of_body(found: Arguments, operation: Operation, body: Any | None) -> None:  # noqa: ANN401 - any JSON
    if body is None:
        return
    if not isinstance(body, dict):
        _add(found, _NAMELESS, body)
        found.fault = found.fault or "a JSON body is an object here"
        return
    for name, value in body.items():
        _add(found, name, value)
        if operation.body is not None and name not in operation.body:
            found.fault = found.fault or f"{name[:80]} is no field of the body"


def _of_query(operation: Operation, name: str, values: Sequence[str]) -> Any:  # noqa: ANN401 - as `typed`
    schema = operation.types.get(name)
    if _kind(schema) == "array" and isinstance(schema, Mapping):
        parts = [part for value in values for part in value.split(",")] if name in operation.commas else values
        return [typed(part, schema.get("items")) for part in parts]
    return typed(values[0], schema) if len(values) == 1 else [typed(value, schema) for value in values]


def _kind(schema: object) -> str | None:
    """The one type that a schema names, null apart."""
    said = schema.get("type") if type(schema) is dict or isinstance(schema, Mapping) else None
    if isinstance(said, (list, tuple)):
        rest = [each for each in said if each != "null"]
        said = rest[0] if len(rest) == 1 else None
    return said if isinstance(said, str) else None
