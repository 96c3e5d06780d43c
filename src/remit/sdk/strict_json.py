"""JSON read and written without loss: one meaning for a text, digit for digit (RFC 8259, RFC 7493).

A number is read as Remit reads it, so that what Remit refuses in a text is still refused when it is asked about what
was read of it: that a literal had an exponent stays visible, and so does the sign of `-0`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final, Never

import msgspec

_MAX_DEPTH: Final = 64
_MARK: Final = 7  # digits after the point of a number whose literal had an exponent: more than an exact number has
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


def _integer(literal: str) -> int | Decimal:
    return Decimal(literal) if literal == "-0" else int(literal)


def _fraction(literal: str) -> Decimal:
    """A number with a point or an exponent.

    `Decimal("1E-2")` would be that of `0.01`, and be written so; `Decimal("1E0")` would be written as an integer. Zeros
    behind the point tell them apart, also after they were written.
    """
    value = Decimal(literal)
    if "e" in literal or "E" in literal:
        sign, digits, exponent = value.as_tuple()
        if isinstance(exponent, int) and -_MARK < exponent <= 0:
            return Decimal((sign, digits + (0,) * (exponent + _MARK), -_MARK))
    return value


def _deeper(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(each, levels - 1) for each in inside)


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_fraction, parse_int=_integer, parse_constant=_constant
)
