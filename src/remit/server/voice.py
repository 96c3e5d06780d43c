"""What the person behind an apply may say beyond what they may do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Says nothing unless told otherwise.

    Args:
        approves: Whether this person approves what waits for an owner, given who answers for the agent; None if
            they were not asked to.
        counts: Whether their word is one of the two that a widening of the organisation's policies takes.
    """

    approves: Callable[[Collection[str]], bool] | None = None
    counts: bool = False


SILENT = Voice()
