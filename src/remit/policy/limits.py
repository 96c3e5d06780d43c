"""Rates and budgets: what a call reserves, and the refusal when nothing is left (pure).

Counted per boundary and action over all instances, in UTC calendar units; a budget in
ten-thousandths. The version is no part of the key: approving a boundary again does not
give a budget back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from remit.access.model import Boundary, Rule
from remit.kernel.clock import SECOND, Instant, window_end, window_start
from remit.policy.conditions_denied import run_used, volume_used
from remit.policy.denial import (
    Budgeted,
    budget_exhausted,
    quota_used,
    rate_limited,
    replayed,
    unavailable,
)
from remit.policy.model import Call, Denial, Proposal
from remit.policy.sequence import RUN_KIND
from remit.policy.unapproved import approval_lost
from remit.storage.model import ConsumeApproval, ConsumeProof, Effect, Reserve

SCALE = 10_000
_MOST = 2**63 - 1  # what a counter's column holds
VOLUME = "volume"  # what the key of a counter of bytes begins with
AT_ONCE = 64 * 1024  # bytes that are reserved before they come: what comes is counted exactly, and this given back


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate or budget of a rule, ready to be counted."""

    key: str
    per: str
    most: int  # calls, or ten-thousandths
    argument: str | None  # None: calls are counted, or bytes
    volume: bool = False  # bytes of results are counted


def limits_of(boundary: Boundary, rule: Rule) -> tuple[Limit, ...]:
    """The limits of `rule`, its rate first."""
    found = []
    if (rate := rule.rate) is not None:
        found.append(Limit(f"rate {rate.per} {boundary.boundary} {rule.action}", rate.per, rate.count, None))
    if (budget := rule.budget) is not None:
        key = f"budget {budget.per} {boundary.boundary} {rule.action} {budget.argument}"
        found.append(Limit(key, budget.per, min(ten_thousandths(budget.max), _MOST), budget.argument))
    if rule.conditions is not None and (volume := rule.conditions.volume) is not None:
        key = f"{VOLUME} {volume.per} {boundary.boundary} {rule.action}"
        found.append(Limit(key, volume.per, volume.bytes, None, volume=True))
    return tuple(found)


def reservation(limit: Limit, arguments: Mapping[str, Any], *, now: Instant) -> Reserve:
    """What a call reserves of `limit`. Its arguments have passed the rule's bounds."""
    start, end = _window(limit.per, now)
    if limit.volume:  # how much it will be nobody knows: something has to be left, and more is taken as it comes
        return Reserve(limit.key, start, end, AT_ONCE, limit.most, least=1)
    amount = 1 if limit.argument is None else min(ten_thousandths(arguments[limit.argument]), _MOST)
    return Reserve(limit.key, start, end, amount, limit.most)


def in_unit(reserve: Reserve, now: Instant) -> Reserve:
    """A reservation of `limits_of`'s as it stands in the calendar unit of `now`."""
    start, end = _window(reserve.key.split(" ", 2)[1], now)
    return replace(reserve, window=start, expires=end)


def window_of(limit: Limit, now: Instant) -> Instant:
    """The start of the calendar unit in which `limit` is counted now."""
    return _window(limit.per, now)[0]


_windows: dict[str, tuple[Instant, Instant]] = {}  # the last one asked for, by unit: calls come in the order of time


def _window(per: str, now: Instant) -> tuple[Instant, Instant]:
    """The UTC calendar unit that `now` is in: its start, its end."""
    known = _windows.get(per)
    if known is None or not known[0] <= now < known[1]:
        known = _windows[per] = (window_start(per, now), window_end(per, now))
    return known


def ten_thousandths(value: int | Decimal) -> int:
    """An exact number in ten-thousandths."""
    return int(value * SCALE)


def decimal_of(units: int) -> Decimal:
    """Ten-thousandths as a number, with at least two digits after the point."""
    whole, rest = divmod(units, SCALE)
    digits = f"{rest:04d}"
    return Decimal(f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}")


def exhausted(reserve: Reserve, call: Call, *, now: Instant, used: int | None) -> Denial:
    """The denial of a call whose reservation does not fit.

    Args:
        reserve: What did not fit.
        call: The call that asked for it.
        now: When it was asked for.
        used: What the counter is known to hold; None if that is not known.
    """
    wait = max(1, -(-(reserve.expires - now) // SECOND))
    kind = reserve.key.partition(" ")[0]
    if kind == "quota":
        return quota_used(most=reserve.limit, retry_after=wait)
    if kind == RUN_KIND:
        return run_used(call, reserve.limit)
    per, argument = _said(reserve.key, call.action)
    if kind == VOLUME:
        return volume_used(most=reserve.limit, per=per, retry_after=wait)
    if kind == "rate":
        return rate_limited(count=reserve.limit, per=per, retry_after=wait)
    left = None if used is None else max(0, reserve.limit - used)
    if left is not None and left >= reserve.amount:
        left = None  # what this node knows is older than what the writer found
    return budget_exhausted(
        Budgeted(
            argument=argument,
            per=per,
            limit=decimal_of(reserve.limit),
            asked=decimal_of(reserve.amount),
            remaining=None if left is None else decimal_of(left),
            ever=reserve.amount <= reserve.limit,
        ),
        call,
        retry_after=wait,
    )


def _said(key: str, action: str) -> tuple[str, str]:
    """The unit and the argument that a key of `limits_of`'s speaks of; the argument is empty where calls are counted.

    What stands before the action has no spaces: through whose hands it came (`delegated`), the unit and the boundary.
    An operation of an API has one, and so may an argument.
    """
    before, _, argument = f"{key} ".partition(f" {action} ")
    return before.split(" ")[-2], argument.removesuffix(" ")


def denial_for(effect: Effect, call: Call, proposal: Proposal, now: Instant, *, used: int | None = None) -> Denial:
    """The denial of a call whose `effect` changed no row at the writer.

    Args:
        effect: The effect that failed.
        call: The call.
        proposal: What was proposed for it.
        now: The proposal's time.
        used: What the effect's counter holds, if known (`view.counters`); it tells the agent what is left.
    """
    if isinstance(effect, ConsumeProof):
        return replayed()
    if isinstance(effect, Reserve) and effect in proposal.effects:
        return exhausted(effect, call, now=now, used=used)
    if isinstance(effect, ConsumeApproval):
        return approval_lost(call)
    return unavailable(step=10, cause=f"unexpected effect {type(effect).__name__}")
