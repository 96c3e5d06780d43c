"""Do the arguments fit the pinned input schema, number for number (step 6 of a decision; pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Protocol

import jsonschema_rs

from remit.kernel.canonical import encode
from remit.policy.model import Violation
from remit.policy.shape import join

_DIGITS = 18
_PLACES = 4
_INTEGERS: int = 10**_DIGITS
_MAX_VIOLATIONS = 20
_MAX_TOLD = 200
# A pattern of the server's may not cost the gateway its time (regular-expression denial of service).
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000, size_limit=1 << 20)
# Beside one of these words an object's properties are not all it may have.
_OPEN = frozenset(
    {
        "additionalProperties",
        "patternProperties",
        "unevaluatedProperties",
        "$ref",
        "$dynamicRef",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "dependentSchemas",
        "dependencies",
    }
)


class Validator(Protocol):
    """A compiled JSON Schema."""

    def is_valid(self, instance: Any) -> bool:  # noqa: ANN401 - any JSON
        """Whether `instance` fits."""
        ...

    def iter_errors(self, instance: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
        """What does not fit."""
        ...


def compiled(schema: Mapping[str, Any]) -> Validator:
    """Compile a pinned input schema. Nothing is fetched: a `$ref` that leaves the schema does not compile.

    Raises:
        ValueError: It is no JSON Schema that can be used; the tool then cannot be called.
    """
    try:
        validator: Validator = jsonschema_rs.validator_for(_closed(schema), offline=True, pattern_options=_PATTERNS)
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    return validator


def _closed(schema: Any) -> Any:  # noqa: ANN401 - any JSON Schema
    """`schema`, with objects that list their properties refusing others.

    JSON Schema lets anything through that it does not name, and a server may read what no
    policy saw. A schema that wants more says so with `additionalProperties`.
    """
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return schema
    closed = schema | {"properties": {name: _closed(member) for name, member in schema["properties"].items()}}
    if closes(schema):
        closed["additionalProperties"] = False
    return closed


def closes(schema: Mapping[str, Any]) -> bool:
    """Whether an object of this schema takes no properties but those it lists."""
    return isinstance(schema.get("properties"), dict) and _OPEN.isdisjoint(schema)


def violations(arguments: Mapping[str, Any], validator: Validator) -> tuple[Violation, ...]:
    """What is wrong with `arguments`; empty if they fit. Inexact numbers come first: nothing may compare them."""
    if not _all_exact(arguments):
        return tuple(islice(_inexact(arguments, ""), _MAX_VIOLATIONS))
    if validator.is_valid(arguments):
        return ()
    errors = islice(validator.iter_errors(arguments), _MAX_VIOLATIONS)
    found = [each for error in errors for each in _violations(error)]
    # `is_valid` has said no: whatever the errors say, this is a refusal.
    return tuple(found[:_MAX_VIOLATIONS]) or (Violation(path="", constraint="schema"),)


def exact(value: int | Decimal) -> bool:
    """Whether a number has one spelling that everyone reads alike: no exponent, at most 4 digits after
    the point, at most 18 digits. In ten-thousandths it then fits 64 bits if it has a point.
    """
    if isinstance(value, int):
        return abs(value) < _INTEGERS
    # A literal with neither point nor exponent was read as `int`: what has no point here had an exponent.
    text = str(value)
    whole, point, rest = text.partition(".")
    if not point:
        return text == "-0"
    return len(rest) <= _PLACES and rest.isdigit() and len(whole.lstrip("-")) <= _DIGITS - _PLACES


def _all_exact(value: object) -> bool:
    """Whether no number in `value` is inexact, at any depth; what is no JSON is not exact either."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict or kind is list:
        members = value.values() if isinstance(value, dict) else value
        return all(map(_all_exact, members))  # type: ignore[call-overload]  # one of the two, as `kind` says
    return isinstance(value, (int, Decimal)) and exact(value)


def _inexact(value: object, path: str) -> Iterator[Violation]:
    if isinstance(value, (dict, list)):
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _inexact(member, join(path, name))
    elif not _all_exact(value):
        yield inexact(path, value)


def inexact(path: str, value: object) -> Violation:
    """The violation of a number that is not exact."""
    return Violation(path=path, constraint="exact", limit=_EXACT, actual=told(value))


# Keywords whose value says by itself what would have been right.
_SIMPLE = frozenset(
    {
        "type",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    }
)
_EXACT = "no exponent, at most 4 digits after the point, at most 18 digits"


def told(value: object) -> str:
    """A value as the caller wrote it, cut to a length that fits a denial."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        text = str(value)
    else:
        text = encode(value).decode("utf-8", "replace")
    return text if len(text) <= _MAX_TOLD else text[: _MAX_TOLD - 1] + "…"


def _violations(error: Any) -> Iterator[Violation]:  # noqa: ANN401 - the library's error
    keyword, limit = str(error.kind.name), error.kind.value
    path = ""
    for token in error.instance_path:
        path = join(path, token)
    if keyword == "required":
        yield Violation(path=join(path, str(limit)), constraint=keyword)
    elif keyword == "additionalProperties" and isinstance(limit, list):
        for name in limit:
            yield Violation(path=join(path, str(name)), constraint=keyword)
    else:
        told_limit = _limit(limit) if keyword in _SIMPLE else None
        yield Violation(path=path, constraint=keyword, limit=told_limit, actual=told(error.instance))


def _limit(limit: object) -> str | int | tuple[str, ...] | None:
    if limit is None or (isinstance(limit, (str, int)) and not isinstance(limit, bool)):
        return limit
    if isinstance(limit, Sequence):
        return tuple(told(each) for each in limit[:_MAX_VIOLATIONS])
    return told(limit)
