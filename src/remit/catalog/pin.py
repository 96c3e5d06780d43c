"""Pins: what a definition was when a person (or the first import) approved it. Pure.

A pin is hex SHA-256 over the RFC 8785 bytes of the definition's pinned fields. RFC 8785 is
defined on IEEE doubles, so exact decimals become floats for hashing and nothing else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import rfc8785

from remit.kernel.errors import Malformed

FIELDS = ("name", "title", "description", "inputSchema", "outputSchema", "annotations", "_meta")
_SAFE = 2**53


def pinned(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a pin covers. What it does not cover (icons, ...) is not kept and not shown to an agent."""
    return {field: definition[field] for field in FIELDS if field in definition}


def pin(definition: Mapping[str, Any]) -> str:
    """The pin of one definition.

    Raises:
        Malformed: It holds what has no one spelling: an infinite number, a key that is no text, a lone surrogate.
    """
    return _digest(pinned(definition))


def set_pin(pins: Mapping[str, str]) -> str:
    """The pin over the approved set (name: pin): a rename or a shadowing tool changes no single pin."""
    return _digest(sorted([name, value] for name, value in pins.items()))


def _digest(value: object) -> str:
    try:
        return hashlib.sha256(rfc8785.dumps(_doubles(value))).hexdigest()
    except (ValueError, OverflowError, RecursionError) as error:
        raise Malformed("the definition cannot be pinned", detail=str(error)[:200]) from error


def _doubles(value: object) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {key: _doubles(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_doubles(member) for member in value]
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return value
    if isinstance(value, int) and abs(value) < _SAFE:
        return value
    double = float(value)
    if not math.isfinite(double):
        raise Malformed("the definition cannot be pinned: a number is too large")
    return double
