"""What data a tool deals with, as an operator said: what it returns, and whether it carries data out. Pure.

A server's own word counts for nothing here: nothing that it says of its tools takes a label away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from remit.catalog.pattern import matches

RETURNS: Final = ("private", "untrusted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Private: not for others. Untrusted: others write it, and may want something of the reader."""

    returns: tuple[str, ...] = ()  # of RETURNS, sorted
    carries_out: bool = False  # what goes in may leave the organisation


def labels_of(name: str, said: Iterable[tuple[str, Labels]]) -> Labels | None:
    """What every pattern that matches says of a tool, together; None if none says anything."""
    found = [labels for pattern, labels in said if matches(pattern, name)]
    returns = tuple(sorted({each for labels in found for each in labels.returns}))
    together = Labels(returns=returns, carries_out=any(labels.carries_out for labels in found))
    return None if together == Labels() else together
