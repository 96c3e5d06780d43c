"""Toxic combinations: what nobody should hold together, and which agents do (pure).

An agent is in a combination if for each of its patterns it holds an entitlement that matches, for whichever
purpose: what one agent may do for two kinds of work, it may do. Held is what it can use now, or could start
again without a person, as if nothing were noticed of it: else the signal that a combination raises would end
the combination, and begin it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from remit.access.activation import ActivationKey
from remit.catalog.pattern import matches
from remit.certification.posture.privilege import Reach, Standing


class Severity(StrEnum):
    """How bad it is to hold them together."""

    CRITICAL = "critical"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Actions that nobody should hold together."""

    combination: str
    actions: tuple[str, ...]  # globs over action names, at least two; only `*` is special
    why: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One agent that is in one combination."""

    combination: Combination
    agent: str
    reach: Reach  # direct: it could do all of it now; latent: some of it only after starting it again
    keys: tuple[ActivationKey, ...]  # the entitlements that match, in order


def held(combinations: Iterable[Combination], standings: Sequence[Standing]) -> list[Holding]:
    """The combinations that an agent is in, by name.

    Args:
        combinations: All that there are.
        standings: Every entitlement of one agent.
    """
    holds = [each for each in standings if each.quiet in {Reach.DIRECT, Reach.LATENT}]
    found = (_holding(each, holds) for each in sorted(combinations, key=lambda each: each.combination))
    return [each for each in found if each is not None]


def _holding(combination: Combination, holds: Sequence[Standing]) -> Holding | None:
    matching = [[each for each in holds if matches(glob, each.key.action)] for glob in combination.actions]
    if not all(matching):
        return None
    direct = all(any(each.quiet is Reach.DIRECT for each in some) for some in matching)
    keys = {each.key for some in matching for each in some}
    return Holding(
        combination=combination,
        agent=next(iter(keys)).agent,
        reach=Reach.DIRECT if direct else Reach.LATENT,
        keys=tuple(sorted(keys)),
    )


def toxic_keys(holdings: Iterable[Holding]) -> frozenset[ActivationKey]:
    """The entitlements that are in a combination: of each of these the judge's fact `toxic` is true."""
    return frozenset(key for each in holdings for key in each.keys)


@dataclass(frozen=True, slots=True)
class Signals:
    """Which `toxic_combination` signals of an agent start, and which are over; by what they are about."""

    on: tuple[str, ...]
    off: tuple[str, ...]


def signals_by_entitlement(holdings: Iterable[Holding], before: Collection[str]) -> Signals:
    """What must change, if the signals about `before` (each one entitlement: `PURPOSE ACTION: COMBINATION`) are on now.

    The combination is named, because what a person says of one says nothing of another.
    """
    named = ((each.combination.combination, key) for each in holdings for key in each.keys)
    return moved({f"{key.purpose} {key.action}: {name}" for name, key in named}, before)


def moved(now: Collection[str], before: Collection[str]) -> Signals:
    """What starts and what is over, each in order."""
    return Signals(tuple(sorted(set(now) - set(before))), tuple(sorted(set(before) - set(now))))
