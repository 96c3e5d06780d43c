"""JSON read and written without loss: one meaning for a text, digit for digit (RFC 8259, RFC 7493)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final, Never

import msgspec

_MAX_DEPTH: Final = 64
_wire = msgspec.json.Encoder(decimal_format="number")


class NotJson(ValueError):
    """It is no JSON, or none that every reader reads alike."""


def parse(octets: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a text; a number with a fraction or an exponent is a Decimal.

    Raises:
        NotJson: No JSON; a key that stands twice, NaN, a lone surrogate or nesting beyond 64, which readers read
            differently.
    """
    try:
        value = _decoder.decode(octets.decode("utf-8"))
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise NotJson("not strict JSON") from error
    if _deeper(value, _MAX_DEPTH):
        raise NotJson("nested too deeply")
    return value


def an_object(octets: bytes) -> dict[str, Any]:
    """The same, of a text that is an object. Raises NotJson."""
    value = parse(octets)
    if not isinstance(value, dict):
        raise NotJson("not a JSON object")
    return value


def encode(value: object) -> bytes:
    """The shortest text of a value; a Decimal is written as the number it is."""
    return _wire.encode(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJson("a key stands twice")
    return members


def _constant(name: str) -> Never:
    raise NotJson(f"{name} is not JSON")


def _deeper(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(each, levels - 1) for each in inside)


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=_constant)
