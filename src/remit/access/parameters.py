"""Every number that certification decides by, in one place (pure). Times are microseconds, risks millionths.

Verdicts carry the digest of the numbers that they were made with, so that a change of one of them shows
in a replay as what it is. Where the numbers come from stands in docs/certification.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, HOUR, MINUTE


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The numbers of one edition of the rules."""

    # How long an activation lasts without use: by tier, by its own habit, by what its owner declared.
    critical: int = 24 * HOUR
    high: int = 14 * DAY
    unknown: int = 30 * DAY  # medium and low, until there are `enough` days of use
    enough: int = 3
    medium_times: int = 3  # of the 95th percentile of its own gaps
    medium_most: int = 180 * DAY
    low_times: int = 5
    low_most: int = 365 * DAY
    least: int = 14 * DAY
    flaps: int = 3  # times that it came back after a lapse
    flaps_within: int = 90  # days; then it lasts twice as long, once
    cadence_percent: int = 150  # of a declared cadence, at least
    # Risk.
    at_risk: int = 700_000
    calm: int = 500_000
    calm_for: int = 24 * HOUR  # so that a signal which comes and goes does not flutter
    at_risk_most: int = 72 * HOUR  # then a person looks
    # The record of use.
    usage_grace: int = 24 * HOUR  # a critical entitlement is not kept on an incomplete record for longer
    expiring_percent: int = 70
    held_again: int = 15 * MINUTE  # what a run still holds is looked at again
    held_most: int = 24 * HOUR  # however long the run

    @cached_property
    def sha256(self) -> str:
        """Over the canonical JSON of all of them."""
        return sha256(canonical(asdict(self))).hexdigest()


SHIPPED: Final = Parameters()
