"""Arguments that a tool would take: one set that fits its schema and a boundary's rule, where that is easy (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from remit.access.model import Bound, Rule
from remit.policy.constraints import counted

_DEPTH: Final = 4
_LONGEST: Final = 200
_FORMATS: Final = {"date": "2026-01-01", "date-time": "2026-01-01T00:00:00Z", "email": "a@example.test"}


def sample(schema: Mapping[str, Any], rule: Rule | None = None) -> dict[str, Any]:
    """Arguments with everything that `schema` requires and that `rule` bounds or counts, as small as they may be.

    Nothing promises that they fit: whoever asks has them decided.
    """
    found = _object(schema, schema, _DEPTH)
    if rule is None:
        return found
    properties = schema.get("properties")
    for bound in rule.when:
        known = properties.get(bound.argument, {}) if isinstance(properties, Mapping) else {}
        found[bound.argument] = _bounded(bound, known if isinstance(known, Mapping) else {})
    for name in counted(rule):
        found.setdefault(name, 0)
    for name, threshold in rule.approval_above:
        value = found.get(name)
        if isinstance(value, (int, Decimal)) and value > threshold:
            found[name] = _plain(threshold)
    return found


def _bounded(bound: Bound, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    if bound.in_:
        first = bound.in_[0]
        value = _plain(first) if isinstance(first, Decimal) else first
        return [value] if schema.get("type") == "array" else value
    if bound.min is not None:
        return _plain(bound.min)
    if bound.max is not None:
        return _plain(min(bound.max, Decimal(1)))
    return bound.prefix or ""


def _plain(value: Decimal) -> int | Decimal:
    return int(value) if value == value.to_integral_value() else value


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return {}
    return {name: _value(properties.get(name), root, depth - 1) for name in required if isinstance(name, str)}


def _value(schema: object, root: Mapping[str, Any], depth: int) -> Any:  # noqa: ANN401, PLR0911 - any JSON value
    if not isinstance(schema, Mapping) or depth <= 0:
        return ""
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        return _value(_at(root, reference), root, depth - 1)
    for word in ("anyOf", "oneOf"):
        if isinstance(schema.get(word), list) and schema[word]:
            return _value(schema[word][0], root, depth)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        least = schema.get("minItems", 0)
        return [_value(schema.get("items"), root, depth - 1)] * min(least if isinstance(least, int) else 0, _LONGEST)
    return _scalar(kind, schema)


def _scalar(kind: object, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    if kind in {"integer", "number"}:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        above = 1 if "exclusiveMinimum" in schema else 0
        return least + above if isinstance(least, (int, Decimal)) else 1
    if kind == "boolean":
        return False
    if kind == "null":
        return None
    length = schema.get("minLength", 1)
    text = _FORMATS.get(str(schema.get("format")), "x")
    return text if len(text) > 1 else "x" * min(length if isinstance(length, int) else 1, _LONGEST)


def _at(root: object, reference: str) -> object:
    node = root
    for token in reference[2:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, Mapping) else None
    return node
