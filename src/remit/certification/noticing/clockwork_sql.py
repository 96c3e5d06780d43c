"""Which entitlements of an agent are called like a clock, read from the days of use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
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
from remit.certification.usage.days import UseDay
from remit.certification.usage.model import OWN
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.clock import Instant

_SOME: Final = 400  # entitlements whose days are in memory at once
Found = dict[ActivationKey, Clockwork]


def called_in_vain(connection: Connection, agent: str, *, now: Instant) -> Found:
    """Those that are called like a clock and come to nothing, in order, by what Remit's own enforcement saw.

    What another source tells raises no signal of Remit's own: whoever may write its lines could speak in Remit's name.
    """
    known = SqlUseDays(connection).called_on(agent, least=LEAST_DAYS, since=since(now), source=OWN)
    keys = [key for key, calls in known.items() if in_vain(calls)]
    return _found(connection, keys, _kept_alive, now)


def _kept_alive(rows: Iterable[UseDay], *, now: Instant) -> Clockwork | None:
    return keep_alive([row for row in rows if row.key.source == OWN], now=now)


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
