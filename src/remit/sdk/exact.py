"""Which numbers Remit takes: those that every reader reads alike (pure). The server's rule again, for the SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from remit.sdk import strict_json
from remit.sdk.arguments import snapshot

_DIGITS: Final = 18
_PLACES: Final = 4
_INTEGERS: Final[int] = 10**_DIGITS


def as_sent(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as Remit reads them when it is asked: a float is the number that its shortest text is.

    Raises:
        NotTellable: One of them is no JSON value.
    """
    return strict_json.an_object(strict_json.encode(snapshot(dict(arguments))))


def inexact(value: object, path: str = "") -> Iterator[str]:
    """Where numbers stand that Remit refuses (RFC 6901), in a value that `as_sent` or `strict_json` gave."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from inexact(member, f"{path}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from inexact(member, f"{path}/{at}")
    elif isinstance(value, (int, Decimal)) and not isinstance(value, bool) and not exact(value):
        yield path


def exact(value: int | Decimal) -> bool:
    """Whether a number was written without an exponent, with at most 4 digits after the point and 18 in all."""
    if isinstance(value, int):
        return abs(value) < _INTEGERS
    whole, point, rest = str(value).partition(".")
    if not point:  # only `-0` has no point and is none of `int`; all others had an exponent
        return str(value) == "-0"
    return len(rest) <= _PLACES and rest.isdigit() and len(whole.lstrip("-")) <= _DIGITS - _PLACES
