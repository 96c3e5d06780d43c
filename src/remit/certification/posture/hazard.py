"""How likely it is that an entitlement is used again within 90 days: a table of integers (pure).

Ten rows by days without use, seven columns by distinct days of use, each cell in millionths.

The shipped table is a prior, not a measurement. What was measured (twelve years of 22 automation accounts)
are the marginals P(used again within 90 d | idle just reached d) of `MARGINALS`; no table was published cell by
cell. So a row takes the mean of the marginals at its two edges, with certainty at day 0 and nothing at the end
of time, and a column takes the share of `SHARES` of it: chosen by hand, so that more days of use never make
a further use less likely. Nothing is learned from an organisation's own use: the same table holds everywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import Final

from remit.kernel.canonical import canonical

MILLION: Final = 1_000_000
# Measured, in millionths, at the day that an entitlement has been idle for.
MARGINALS: Final[Mapping[int, int]] = {
    3: 835_000, 7: 686_000, 14: 554_000, 30: 393_000, 60: 276_000, 90: 235_000, 120: 182_000, 180: 162_000,
    365: 50_000,
}  # fmt: skip
IDLE: Final = tuple(MARGINALS)  # a row begins at each of these days, and one at day 0
USES: Final = (1, 2, 3, 6, 11, 31)  # a column begins at each of these days of use, and one at none
SHARES: Final = (100, 500, 700, 850, 1_000, 1_150, 1_300)  # thousandths of the marginal, by column
_CERTAIN: Final = 990_000  # nothing is


@dataclass(frozen=True)
class Hazard:
    """One table: ten rows of seven cells."""

    cells: tuple[tuple[int, ...], ...]

    def again(self, *, idle: int, uses: int) -> int:
        """Millionths: it is used again within 90 days.

        Args:
            idle: Whole days without use, on a complete record.
            uses: Distinct days of use so far.
        """
        row, column = cell(idle=idle, uses=uses)
        return self.cells[row][column]

    @cached_property
    def sha256(self) -> str:
        """Over the canonical JSON of edges and cells: what a figure was made with."""
        said = {"idle": list(IDLE), "uses": list(USES), "cells": [list(row) for row in self.cells]}
        return sha256(canonical(said)).hexdigest()


def cell(*, idle: int, uses: int) -> tuple[int, int]:
    """The row and the column."""
    return bisect_right(IDLE, idle), bisect_right(USES, uses)


def _prior() -> Hazard:
    at = (MILLION, *MARGINALS.values(), 0)
    rows = [(upper + lower) // 2 for upper, lower in pairwise(at)]
    return Hazard(tuple(tuple(min(_CERTAIN, row * share // 1000) for share in SHARES) for row in rows))


SHIPPED: Final = _prior()
