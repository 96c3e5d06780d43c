"""JSON both ways: strict reading that keeps number literals, and RFC 8785 writing.

Reading: duplicate keys, NaN, Infinity, non-UTF-8, trailing text and absurd depth are
refused, because two parsers that disagree are a way around a decision. A number with a
fraction or exponent is read as `Decimal`, digit for digit; an integer as `int`, and `-0`, which
no `int` is, as the Decimal of that text. That there was an exponent can be seen: every other Decimal has no digits
after the point, or at least seven.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Never

import msgspec

from remit.kernel.errors import Malformed

_SAFE_INTEGER = 2**53
_MAX_DEPTH = 64
_MARK = 7  # digits after the point of a number whose literal had an exponent: more than an exact number has
_UNSURE = object()
_wire = msgspec.json.Encoder(decimal_format="number")
_sorted = msgspec.json.Encoder(order="sorted")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("a JSON object has a duplicate key")
    return members


def _constant(name: str) -> Never:
    raise Malformed(f"{name} is not JSON")


def _integer(literal: str) -> int | Decimal:
    return Decimal(literal) if literal == "-0" else int(literal)


def _fraction(literal: str) -> Decimal:
    value = Decimal(literal)
    if "e" in literal or "E" in literal:
        # `Decimal("1E-2")` is the same as `Decimal("0.01")`, and `Decimal("-0E0")` as that of `-0`, which is exact:
        # zeros keep it visible that this one had an exponent.
        sign, digits, exponent = value.as_tuple()
        if isinstance(exponent, int) and (-_MARK < exponent < 0 or (value.is_zero() and sign and not exponent)):
            return Decimal((sign, digits + (0,) * (exponent + _MARK), -_MARK))
    return value


def _only_fraction(literal: str) -> Decimal:
    """A number as `_fraction` reads it; none that is in any way unusual."""
    if "." not in literal or "e" in literal or "E" in literal:
        raise ValueError(literal)  # an integer too large for the quick parser, or an exponent
    return Decimal(literal)


_squeezed = msgspec.json.format
_quick = msgspec.json.Decoder(float_hook=_only_fraction).decode
_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_fraction, parse_int=_integer, parse_constant=_constant
)


def parse(body: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """Read one JSON value strictly (see the module).

    Raises:
        Malformed: It is not JSON, or is JSON that parsers read differently.
    """
    if (plain := _plain(body)) is not _UNSURE:
        return plain
    return _strictly(body)


def _plain(body: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a text that comes out, but for white space, byte for byte when it is written again: most do.

    Such a text has no key twice (it would have lost one), no number in another spelling, and nothing before or
    after it. Then a quick parser reads it as the strict one does, which a test holds it to.
    """
    octets = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    if b"\\u" in octets or octets.count(b"{") + octets.count(b"[") > _MAX_DEPTH:
        return _UNSURE
    try:
        value = _quick(octets)
        again = _wire.encode(value)
        return value if again == octets or again == _squeezed(octets, indent=-1) else _UNSURE
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        return _UNSURE


def _strictly(body: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        value = _decoder.decode(text)
    except Malformed:
        raise
    except RecursionError as error:
        raise Malformed("JSON nested too deeply") from error
    except (ValueError, ArithmeticError) as error:
        raise Malformed("not valid JSON", detail=str(error)[:200]) from error
    if _too_deep(value) or ("\\u" in text and _has_surrogate(value)):
        raise Malformed("JSON nested too deeply, or with a lone surrogate")
    return value


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


def _has_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def encode(value: object) -> bytes:
    """Compact JSON for the wire; `Decimal` is written as the number it was read from."""
    return _wire.encode(value)


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of `value`, for hashing and signing.

    Only what has one spelling is taken: strings, booleans, null, integers below 2^53,
    lists, and objects with string keys.

    Raises:
        Malformed: A float, a Decimal, a big integer, or a key beyond the BMP.
    """
    _check(value)
    return _sorted.encode(value)


def _check(value: object) -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            # RFC 8785 section 3.2.3 sorts by UTF-16 code units; UTF-8 order agrees below U+10000.
            if not isinstance(key, str) or (not key.isascii() and max(key) > "\uffff"):
                raise Malformed("canonical JSON: a key is not a string, or lies beyond the BMP")
            if type(member) is not str:  # most are
                _check(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            _check(member)
    elif isinstance(value, bool) or value is None or isinstance(value, str):
        return
    elif isinstance(value, int):
        if not -_SAFE_INTEGER < value < _SAFE_INTEGER:
            raise Malformed("canonical JSON: an integer beyond 2^53; write it as a string")
    else:
        raise Malformed("canonical JSON: only strings, integers, booleans, null, lists and objects")
