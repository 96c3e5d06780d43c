"""Arguments as a caller makes them who knows a tool's input schema and nothing else.

Numbers are uniform over the declared range; one without a maximum is uniform on 0 to ten times
`scale`, which stands for how large such numbers are in that caller's work. Strings come from
`enum`, `const` or `examples`. A draw that the schema itself refuses is drawn again: the caller
sends nothing that it can see to be wrong. It knows neither boundaries nor whose schema it reads.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import jsonschema_rs

_TIMES = 10  # how far over `scale` a number without a maximum goes
_TRIES = 1000  # draws until one is sent as it is
_CENTS = Decimal("0.01")
_OPTIONAL = 0.5  # how often an argument is given that need not be


class Caller:
    """Draws arguments for one tool.

    Args:
        schema: The tool's input schema, as `tools/list` shows it.
        scale: How large each of its numbers usually is, by argument; for numbers without a maximum.
        chance: Where randomness comes from.
    """

    def __init__(self, schema: Mapping[str, Any], scale: Mapping[str, Decimal], chance: random.Random) -> None:
        self._schema = schema
        self._scale = scale
        self._chance = chance
        self._validator = jsonschema_rs.validator_for(dict(schema), offline=True)

    def arguments(self) -> dict[str, Any]:
        """One set of arguments that fits the schema; after many draws without one, the last of them."""
        drawn: dict[str, Any] = {}
        for _ in range(_TRIES):
            drawn = self._object(self._schema)
            if self._validator.is_valid(drawn):
                break
        return drawn

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        needed = set(schema.get("required", ()))
        return {
            name: self._value(name, member)
            for name, member in schema.get("properties", {}).items()
            if name in needed or self._chance.random() < _OPTIONAL
        }

    def _value(self, name: str, schema: Any) -> Any:  # noqa: ANN401, PLR0911 - any JSON value, one return for each kind
        schema = self._chosen(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._chance.choice(schema["enum"])
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = self._chance.choice(kind)
        if kind in ("number", "integer"):
            return self._number(name, schema, whole=kind == "integer")
        if kind == "boolean":
            return self._chance.random() < _OPTIONAL
        if kind == "array":
            return self._array(name, schema)
        if kind == "object":
            return self._object(schema)
        return None if kind == "null" else self._text(schema)

    def _chosen(self, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON Schema
        """`schema` with one of its alternatives chosen, and what holds beside it added."""
        if not isinstance(schema, dict):
            return {}
        found = dict(schema)
        for word in ("anyOf", "oneOf"):
            if word in found:
                found |= self._chosen(self._chance.choice(found.pop(word)))
        for part in found.pop("allOf", ()):
            found |= self._chosen(part)
        return found

    def _number(self, name: str, schema: Mapping[str, Any], *, whole: bool) -> int | Decimal:
        step = Decimal(1) if whole else _CENTS
        least = Decimal(str(schema.get("minimum", schema.get("exclusiveMinimum", 0))))
        most = schema.get("maximum", schema.get("exclusiveMaximum"))
        most = _TIMES * self._scale.get(name, Decimal(100)) if most is None else Decimal(str(most))
        low, high = -(-least // step), most // step
        drawn = self._chance.randint(int(low), max(int(low), int(high)))
        return drawn if whole else drawn * step

    def _array(self, name: str, schema: Mapping[str, Any]) -> list[Any]:
        least = schema.get("minItems", 1)
        count = self._chance.randint(least, max(least, schema.get("maxItems", 3)))
        return [self._value(name, schema.get("items", {})) for _ in range(count)]

    def _text(self, schema: Mapping[str, Any]) -> str:
        examples = schema.get("examples") or [schema.get("default", "text")]
        return str(self._chance.choice(examples))
