"""A tool's pinned input schema, narrowed by the rules that grant the tool (pure).

The agent, its model and its client then see `maximum: 500` before they ask, and need not be
refused to learn it. Only what a property says is changed: several model APIs and clients drop a
tool, or refuse the whole list, when its schema has `anyOf`, `allOf`, `not` or `if` at the root.
So where several rules differ in more than one argument, the schema is the widest that lists
each argument apart: it admits all that one of them admits, and `alternatives` has the rest.

That a text with a step up is inside no prefix (`access/climbing`) no keyword of JSON Schema says: a pattern cannot
decode. A keyword of our own says it to the SDK's offline check, and the description to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from remit.access.model import Rule
from remit.policy.arguments import closes
from remit.policy.constraints import number, same
from remit.policy.room import Option, Room, covers, either, rooms_of

Schema = Mapping[str, Any]
_NOTHING: Final[dict[str, Any]] = {"not": {}}
# Beside one of these words a property is not edited but added to: what it says is said elsewhere too.
_COMPOSED: Final = ("$ref", "$dynamicRef", "anyOf", "oneOf", "allOf", "not", "if", "const", "prefixItems")
_ANNOTATIONS: Final = ("title", "description")
_HEADER: Final = "x-mcp-header"
NO_STEP_UP: Final = "x-remit-no-step-up"
_SAID: Final = "A step up (.., however it is written) is refused."
_SYNTAX: Final = frozenset("^$\\.*+?()[]{}|/")
_SAFE: Final = 2**53


def narrowed(schema: Schema, rules: Iterable[Rule]) -> Schema:
    """`schema` as far as at least one of `rules` lets arguments through.

    Every argument set that fits `schema` and the bounds of a rule fits the result. The
    result is `schema` itself if a rule bounds nothing.

    Args:
        schema: The pinned input schema.
        rules: The rules of all boundaries that grant the tool for one purpose; at least one.
    """
    columns = _columns(_kept(rules))
    if not columns:
        return schema
    properties, outside = schema.get("properties"), {}
    members = dict(properties) if isinstance(properties, dict) else {}
    for name, rooms in columns.items():
        if name in members:
            members[name] = _property(members[name], rooms)
        elif closes(schema):
            members[name] = _NOTHING
        else:
            outside[name] = _any(rooms)
    found = {**schema, **({"properties": members} if members else {}), "required": _required(schema, columns)}
    if outside:
        # An argument that the schema allows without a property of its own: listing it would exempt it from
        # `additionalProperties`, so its bounds stand beside.
        found["allOf"] = [*_list(schema.get("allOf")), {"properties": outside}]
    return found


def alternatives(schema: Schema, rules: Iterable[Rule]) -> tuple[Schema, ...]:
    """The narrowed schema of each rule, where `narrowed` of them all admits more than their union; else nothing."""
    kept = _kept(rules)
    names = {name for rooms in kept for name in rooms}
    differing = [name for name in names if len({rooms.get(name) for rooms in kept}) > 1]
    if len(differing) <= 1:
        return ()
    return tuple(narrowed(schema, [rule]) for rule in _covering(rules))


def _covering(rules: Iterable[Rule]) -> list[Rule]:
    """The rules without those that another one covers."""
    left: list[tuple[Rule, dict[str, Room]]] = []
    for rule in rules:
        rooms = rooms_of(rule)
        if not any(covers(kept, rooms) for _, kept in left):
            left = [(each, kept) for each, kept in left if not covers(rooms, kept)] + [(rule, rooms)]
    return [rule for rule, _ in left]


def _kept(rules: Iterable[Rule]) -> list[dict[str, Room]]:
    return [rooms_of(rule) for rule in _covering(rules)]


def _columns(kept: Sequence[Mapping[str, Room]]) -> dict[str, tuple[Room, ...]]:
    """By argument: what the rules leave of it, if every rule bounds it."""
    first = kept[0] if kept else {}
    return {name: either([rooms[name] for rooms in kept]) for name in first if all(name in rooms for rooms in kept)}


def _required(schema: Schema, names: Iterable[str]) -> list[Any]:
    return list(dict.fromkeys([*_list(schema.get("required")), *names]))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _property(schema: Any, rooms: Sequence[Room]) -> Any:  # noqa: ANN401 - any JSON Schema
    """One property with what the rules leave of it."""
    if not isinstance(schema, dict):
        return schema if schema is False else _any(rooms)
    found = _usual(_without_null(schema), lambda value: any(room.holds(value) for room in rooms))
    found = _beside(found, _any(rooms)) if len(rooms) > 1 else _narrow(found, rooms[0])
    return _told(found) if any(room.prefix is not None and room.options is None for room in rooms) else found


def _told(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with what a model would else learn from a refusal only."""
    before = schema.get("description")
    return {**schema, "description": f"{before.rstrip()} {_SAID}" if isinstance(before, str) and before else _SAID}


def _without_null(schema: Schema) -> dict[str, Any]:
    """`schema` without null as an alternative, as schema generators write what is optional: bounded is required."""
    options = schema.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        others = {key: value for key, value in schema.items() if key != "anyOf"}
        if len(rest) == 1 and isinstance(rest[0], dict) and "$ref" not in others and not rest[0].keys() & others.keys():
            return {**others, **rest[0]}
    return dict(schema)


def _usual(schema: dict[str, Any], holds: Callable[[Any], bool]) -> dict[str, Any]:
    """`schema` without a default or examples that the rules would refuse."""
    found = dict(schema)
    if "default" in found and not holds(found["default"]):
        del found["default"]
    if isinstance(found.get("examples"), list):
        found["examples"] = [each for each in found["examples"] if holds(each)]
        if not found["examples"]:
            del found["examples"]
    return found


def _narrow(schema: dict[str, Any], room: Room) -> dict[str, Any]:
    types = _types(schema)
    if any(word in schema for word in _COMPOSED) or (types is None and "type" in schema):
        return _beside(schema, fragment(room))
    if room.empty:
        return _never(schema)
    if room.options is not None:
        return _listed(schema, room, types)
    return _simple(schema, room, types) if room.scalar else _beside(schema, fragment(room))


def _simple(schema: dict[str, Any], room: Room, types: list[str] | None) -> dict[str, Any]:
    """A number or a text."""
    kinds = ("number", "integer") if room.number else ("string",)
    left = kinds if types is None else [kind for kind in types if kind in kinds]
    if not left:
        return _never(schema)
    found = {**schema, "type": kinds[0] if len(left) > 1 else left[0]}
    if isinstance(found.get("enum"), list):
        return _chosen(found, [each for each in found["enum"] if room.holds(each)])
    narrower = _ranged(found, room) if room.number else _texted(found, room)
    return _beside(schema, fragment(room)) if narrower is None else narrower


def _ranged(schema: dict[str, Any], room: Room) -> dict[str, Any] | None:
    """A number inside the room; None if the schema's own limits are not understood."""
    limits = (("maximum", "exclusiveMaximum", room.high, 1), ("minimum", "exclusiveMinimum", room.low, -1))
    for word, strict, limit, sign in limits:
        # In draft 4 `exclusiveMaximum` is a boolean, which would turn our maximum into another one.
        known = [schema[each] for each in (word, strict) if each in schema]
        if not all(number(each) for each in known):
            return None
        if limit is not None and all(sign * limit < sign * each for each in known):
            schema[word] = plain_number(limit)
    return schema


def _texted(schema: dict[str, Any], room: Room) -> dict[str, Any] | None:
    if room.length is not None:
        known = schema.get("maxLength", room.length)
        if not number(known):
            return None
        schema["maxLength"] = min(room.length, known)
    if room.prefix is not None:
        if "pattern" in schema:
            return None
        schema |= _inside(room.prefix)
    return schema


def _listed(schema: dict[str, Any], room: Room, types: list[str] | None) -> dict[str, Any]:
    """One of the options, or a list of them."""
    options = room.options or ()
    if types is None or ("array" in types and len(types) > 1 and not room.scalar):
        return _beside(schema, fragment(room))
    if types == ["array"] and not room.scalar:
        items = schema.get("items", {})
        if not isinstance(items, dict) or "enum" in schema:
            return _beside(schema, fragment(room))
        simple = "array" not in (_types(items) or ["array"])
        return {**schema, "items": _narrow(items, room) if simple else _beside(items, _enum(options))}
    fitting = [option for option in options if any(_of_type(option, kind) for kind in types)]
    if isinstance(schema.get("enum"), list):
        return _chosen(schema, [each for each in schema["enum"] if any(same(each, option) for option in fitting)])
    return _chosen(schema, [_literal(option) for option in fitting])


def _chosen(schema: dict[str, Any], members: list[Any]) -> dict[str, Any]:
    types = _types(schema) or []
    left = [kind for kind in types if kind != "null"]
    kind = {"type": left[0] if len(left) == 1 else left} if left else {}
    return {**schema, **kind, "enum": members} if members else _never(schema)


def _of_type(option: Option, kind: str) -> bool:
    if isinstance(option, bool):
        return kind == "boolean"
    if isinstance(option, str):
        return kind == "string"
    return kind == "number" or (kind == "integer" and option == option.to_integral_value())


def _types(schema: Schema) -> list[str] | None:
    """The declared types; None if there are none, or none that is understood."""
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else kind
    if not isinstance(kinds, list) or not kinds or not all(isinstance(each, str) for each in kinds):
        return None
    return kinds


def _never(schema: Schema) -> dict[str, Any]:
    return {key: schema[key] for key in _ANNOTATIONS if key in schema} | _NOTHING


def _beside(schema: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Both `schema` and `more`."""
    if "$ref" not in schema and "$dynamicRef" not in schema:
        if not schema.keys() & more.keys():
            return {**schema, **more}
        return {**schema, "allOf": [*_list(schema.get("allOf")), more]}
    # What stands beside a `$ref` counts for nothing before 2019-09, so the two stand side by side.
    lifted = (*_ANNOTATIONS, *((_HEADER, "type") if _HEADER in schema else ()))
    outside = {key: schema[key] for key in lifted if key in schema}
    return {**outside, "allOf": [{key: schema[key] for key in schema if key != _HEADER}, more]}


def fragment(room: Room) -> dict[str, Any]:
    """A room as a schema of its own."""
    if room.empty:
        return dict(_NOTHING)
    if room.options is not None:
        if room.scalar:
            return _enum(room.options)
        return {"anyOf": [_enum(room.options), {"type": "array", "items": _enum(room.options)}]}
    if room.number:
        limits = {"minimum": room.low, "maximum": room.high}
        return {"type": "number"} | {key: plain_number(each) for key, each in limits.items() if each is not None}
    if not room.text:
        return {"not": {"type": "null"}}
    pattern = {} if room.prefix is None else _inside(room.prefix)
    return {"type": "string", **pattern, **({} if room.length is None else {"maxLength": room.length})}


def _inside(prefix: str) -> dict[str, Any]:
    return {**({"pattern": _starting(prefix)} if prefix else {}), NO_STEP_UP: True}


def _any(rooms: Sequence[Room]) -> dict[str, Any]:
    return fragment(rooms[0]) if len(rooms) == 1 else {"anyOf": [fragment(room) for room in rooms]}


def _enum(options: Iterable[Option]) -> dict[str, Any]:
    members = [_literal(option) for option in options]
    return {"enum": members} if members else dict(_NOTHING)


def _literal(option: Option) -> Any:  # noqa: ANN401 - any JSON scalar
    return plain_number(option) if isinstance(option, Decimal) else option


def plain_number(value: Decimal) -> int | Decimal:
    """An exact JSON number in its shortest spelling without an exponent: 500.00 is 500."""
    if value == value.to_integral_value():
        whole = int(value)
        return whole if abs(whole) < _SAFE else Decimal(whole)
    return Decimal(format(value, "f").rstrip("0"))


def _starting(prefix: str) -> str:
    """A pattern (ECMA-262, as JSON Schema asks) for texts that start with `prefix`."""
    return "^" + "".join("\\" + char if char in _SYNTAX else char for char in prefix)
