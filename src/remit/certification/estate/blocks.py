"""Days of use as bits: 64 days to a block, so that a year of daily use is six integers (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from remit.access.activation import MOST_GAPS

BITS: Final = 64
_PAIR, _NEXT = ":", ","  # `311:5,312:1`: the block's number and its bits, the oldest block first


def days_in(blocks: str) -> Iterator[int]:
    """The days whose bits are set, in order."""
    base, bits = _joined(blocks)
    for at in range(bits.bit_length()):
        if bits >> at & 1:
            yield base + at


def gaps_in(blocks: str) -> str:
    """The newest gaps between days of use, as `Row.gaps` has them."""
    _, bits = _joined(blocks)
    # Between two days of use, written as ones, stand as many zeros as days were missed.
    missed = format(bits, "b").split("1")[1:-1][:MOST_GAPS]
    return _NEXT.join([_gap(len(each)) for each in reversed(missed)])


@cache
def _gap(missed: int) -> str:
    return str(missed + 1)


def _joined(blocks: str) -> tuple[int, int]:
    """The first day of the first block, and all bits from there on."""
    pairs = [each.split(_PAIR) for each in blocks.split(_NEXT)]
    base, bits = int(pairs[0][0]), 0
    for number, found in pairs:
        bits |= int(found) << (int(number) - base) * BITS
    return base * BITS, bits
