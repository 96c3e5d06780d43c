"""What an estate is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from remit.certification.estate.model import Day, Event, Row, Start


class Estate(Protocol):
    """Use of many entitlements. Adapters answer alike, row for row."""

    def start(self, starts: Iterable[Start]) -> None:
        """Entitlements that were started, each once."""
        ...

    def load(self, events: Iterable[Event]) -> None:
        """Take events, in any order and any number of times. They count from the next `roll_up` on."""
        ...

    def roll_up(self) -> list[int]:
        """Merge what was loaded into days of use; the entitlements for which that changed anything, in order."""
        ...

    def days(self) -> Iterator[Day]:
        """Every day of use, in order of entitlement and day."""
        ...

    def habits(self, eids: Sequence[int] | None = None) -> Iterator[Row]:
        """What is known of every entitlement, or of `eids`, in order. One without use has a row too."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
