"""Which entitlements of an agent are called like a clock, read from the days of use."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import Connection

from remit.access.activation import ActivationKey
from remit.certification.noticing.clockwork import (
    LEAST_DAYS,
    Clockwork,
    in_vain,
    keep_alive,
    since,
    used_like_a_clock,
)
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.clock import Instant

_SOME: Final = 400  # entitlements whose days are in memory at once
Found = dict[ActivationKey, Clockwork]


def called_in_vain(connection: Connection, agent: str, *, now: Instant) -> Found:
    """Those that are called like a clock and come to nothing, in order."""
    known = SqlUseDays(connection).called_on(agent, least=LEAST_DAYS, since=since(now))
    return _found(connection, [key for key, calls in known.items() if in_vain(calls)], keep_alive, now)


def used_evenly_of(connection: Connection, agent: str, keys: Collection[ActivationKey], *, now: Instant) -> Found:
    """Of many `keys` of one agent, those that are used like a clock, in order."""
    known = SqlUseDays(connection).called_on(agent, least=LEAST_DAYS, since=since(now))
    return used_evenly(connection, [key for key, calls in known.items() if calls.uses and key in keys], now=now)


def used_evenly(connection: Connection, keys: Collection[ActivationKey], *, now: Instant) -> Found:
    """Of `keys`, those that are used like a clock, in order."""
    return _found(connection, sorted(keys), used_like_a_clock, now)


def _found(
    connection: Connection, keys: list[ActivationKey], rule: Callable[..., Clockwork | None], now: Instant
) -> Found:
    found: Found = {}
    for at in range(0, len(keys), _SOME):
        days = SqlUseDays(connection).days_of(keys[at : at + _SOME], since=since(now))
        found |= {key: each for key in sorted(days) if (each := rule(days[key], now=now)) is not None}
    return found
