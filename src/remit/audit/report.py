"""What a verification says: numbered steps, each ok, failed or not checked, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """`not checked` is said aloud, so that silence is never taken for proof."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step."""

    number: int
    name: str
    status: Status
    detail: str

    def __str__(self) -> str:
        """The line a person reads."""
        return f"({self.number}) {self.name}: {self.status.value.upper()}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome. `first_bad_index` is the lowest position known to be wrong; `exact` whether it is that very entry.

    If not, entries are wrong or missing from there on, and which one is the first is not known.
    """

    steps: Sequence[Step]
    size: int  # entries under the checkpoint
    first: int  # position of the first entry that was looked at
    count: int  # how many were, from there on
    root: bytes  # its root hash; empty without a checkpoint
    first_bad_index: int | None
    exact: bool = False
    chosen: bool = False  # whether the entries are chosen ones, which need not be consecutive
    checkpoint: str | None  # the signed note: to keep outside the data directory, if all is well

    @property
    def ok(self) -> bool:
        """Whether nothing failed. What was not checked is neither."""
        return all(step.status is not Status.FAILED for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "ok": self.ok,
            "size": self.size,
            "first": self.first,
            "count": self.count,
            "root": self.root.hex(),
            "first_bad_index": self.first_bad_index,
            "exact": self.exact,
            "checkpoint": self.checkpoint,
            "steps": [
                {"step": step.number, "name": step.name, "status": step.status.value, "detail": step.detail}
                for step in self.steps
            ],
        }
