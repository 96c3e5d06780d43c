"""What policies can read of a tool's arguments: typed from its pinned input schema (pure).

String, integer, number, boolean, arrays of strings or integers, and nested objects; what
has no such type is dropped, so no policy can be fooled by it. JSON Schema has already
accepted the arguments when they are read here; types are checked again all the same, since
a schema may be laxer than it looks (draft 7 ignores what stands beside a `$ref`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

# How Cedar's JSON writes an entity or an extension value: an argument of that name could pose as one.
_RESERVED = frozenset({"__entity", "__extn", "__expr"})
_MAX_DEPTH = 6
_MAX_HOPS = 8
# Cedar's decimal is a 64-bit count of ten-thousandths.
_DECIMAL_LIMIT: int = 10**14


class Kind(StrEnum):
    """The Cedar types that arguments are read as."""

    STRING = "String"
    LONG = "Long"
    DECIMAL = "decimal"
    BOOL = "Bool"
    STRINGS = "Set<String>"
    LONGS = "Set<Long>"
    RECORD = "Record"


@dataclass(frozen=True, slots=True)
class Member:
    """One property of a record."""

    shape: Shape
    required: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of one value."""

    kind: Kind
    members: Mapping[str, Member] = field(default_factory=dict)


EMPTY = Shape(Kind.RECORD)


class Unreadable(Exception):
    """A value that policies cannot read exactly, at a path (RFC 6901)."""

    def __init__(self, path: str, constraint: str, value: object) -> None:
        super().__init__(path)
        self.path, self.constraint, self.value = path, constraint, value


def shape_of(schema: Mapping[str, Any]) -> Shape:
    """The record that policies see as `context.input` of a tool with this input schema."""
    return _record(schema, schema, _MAX_DEPTH)


def _record(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Shape:
    properties = schema.get("properties")
    needed = schema.get("required")
    required = set(needed) if isinstance(needed, list) else set()
    members = {}
    for name, member in sorted(properties.items()) if isinstance(properties, dict) else ():
        shape, nullable = _type(member, root, depth - 1)
        if shape is not None and name not in _RESERVED:
            members[name] = Member(shape, name in required and not nullable)
    return Shape(Kind.RECORD, members)


_SCALARS = {"string": Kind.STRING, "integer": Kind.LONG, "number": Kind.DECIMAL, "boolean": Kind.BOOL}


def _type(schema: object, root: Mapping[str, Any], depth: int) -> tuple[Shape | None, bool]:
    """The shape of a property (None: dropped), and whether it may be null."""
    schema = _resolved(schema, root)
    if schema is None or depth <= 0:
        return None, False
    for word in ("anyOf", "oneOf"):  # how schema generators write an optional value
        options = schema.get(word)
        if "type" not in schema and isinstance(options, list) and {"type": "null"} in options:
            rest = [option for option in options if option != {"type": "null"}]
            return (_type(rest[0], root, depth)[0], True) if len(rest) == 1 else (None, True)
    kind = schema.get("type", _of_values(schema))
    if isinstance(kind, list):
        rest = [option for option in kind if option != "null"]
        return _plain(rest[0], schema, root, depth) if len(rest) == 1 else None, "null" in kind
    return _plain(kind, schema, root, depth), False


def _plain(kind: object, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Shape | None:
    if kind == "object":
        return _record(schema, root, depth)
    if kind == "array":
        item, nullable = _type(schema.get("items"), root, depth - 1)
        of = {Kind.STRING: Kind.STRINGS, Kind.LONG: Kind.LONGS}.get(item.kind) if item and not nullable else None
        return None if of is None else Shape(of)
    return Shape(_SCALARS[kind]) if isinstance(kind, str) and kind in _SCALARS else None


def _of_values(schema: Mapping[str, Any]) -> str | None:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return "string" if isinstance(values, list) and values and all(isinstance(v, str) for v in values) else None


def _resolved(schema: object, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Follow `$ref`s inside this schema; a remote one leads nowhere."""
    for _ in range(_MAX_HOPS):
        if not isinstance(schema, dict):
            return None
        reference = schema.get("$ref")
        if reference is None:
            return schema
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        schema = _at(root, reference)
    return None


def _at(root: Mapping[str, Any], reference: str) -> object:
    node: object = root
    for token in reference[2:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, dict) else None
    return node


def cedar_type(shape: Shape) -> dict[str, Any]:
    """`shape` in Cedar's JSON schema format."""
    if shape.kind is Kind.RECORD:
        members = {n: cedar_type(m.shape) | {"required": m.required} for n, m in shape.members.items()}
        return {"type": "Record", "attributes": members}
    if shape.kind is Kind.DECIMAL:
        return {"type": "Extension", "name": "decimal"}
    if shape.kind in {Kind.STRINGS, Kind.LONGS}:
        return {"type": "Set", "element": {"type": "String" if shape.kind is Kind.STRINGS else "Long"}}
    return {"type": "Boolean" if shape.kind is Kind.BOOL else shape.kind.value}


def read(shape: Shape, values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The arguments as Cedar's JSON, by `shape`; null is absent, and what the shape lacks is left out.

    Raises:
        Unreadable: A value that is not exactly what the shape says.
    """
    found = {}
    members = shape.members
    for name, value in values.items():
        if value is not None and (member := members.get(name)) is not None:
            found[name] = _read(member.shape, value, path, name)
    return found


def _read(shape: Shape, value: object, path: str, name: str) -> object:
    kind = shape.kind
    if kind is Kind.STRING and isinstance(value, str):
        return value
    if kind is Kind.DECIMAL and isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        if not -_DECIMAL_LIMIT < value < _DECIMAL_LIMIT:
            raise Unreadable(join(path, name), "exact", value)
        return decimal_text(value)
    if kind is Kind.LONG and _integral(value):
        return int(value)  # type: ignore[call-overload]  # _integral has looked
    if kind is Kind.BOOL and isinstance(value, bool):
        return value
    return _read_nested(shape, value, join(path, name))


def _read_nested(shape: Shape, value: object, path: str) -> object:
    if shape.kind is Kind.RECORD and isinstance(value, dict):
        return read(shape, value, path)
    if isinstance(value, list):
        if shape.kind is Kind.STRINGS and all(isinstance(item, str) for item in value):
            return value
        if shape.kind is Kind.LONGS and all(_integral(item) for item in value):
            return [int(item) for item in value]
    raise Unreadable(path, "type", value)


def _integral(value: object) -> bool:
    """JSON Schema's integer: 5.0 is one, true is none."""
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def decimal_text(value: int | Decimal) -> str:
    """`value` as Cedar's decimal literal, which needs a digit after the point."""
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text if "." in text else f"{text}.0"


def join(path: str, token: str | int) -> str:
    """An RFC 6901 pointer one step further."""
    return f"{path}/{str(token).replace('~', '~0').replace('/', '~1')}"
