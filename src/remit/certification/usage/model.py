"""Usage: what was used, told by Remit's own enforcement or by another source, one event at a time.

An event is its source and its id. The record is append-only: the same id twice is one event, and
another event under a known id is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from remit.kernel.clock import DAY, MINUTE, Instant

OWN = "remit"  # the source of what Remit's own enforcement saw; no other may take its name
SKEW = 5 * MINUTE  # how far ahead a source's clock may be
OLDEST = 400 * DAY  # what is older says nothing about any entitlement: the longest time without use is a year
_NUMBER = "#"
_sorted = msgspec.json.Encoder(order="sorted")


class Kind(StrEnum):
    """What an event says (docs/usage-format.md)."""

    USE = "use"
    DENIAL = "denial"
    ERROR = "error"
    REACTIVATED = "reactivated"  # elsewhere: kept, and no use
    BREAKGLASS = "breakglass"  # a call in an emergency: kept, and justifies nothing
    COVERAGE = "coverage"
    SIGNAL = "signal"
    OWNER = "owner"
    AGENT = "agent"
    ENTITLEMENT = "entitlement"
    ENDED = "ended"


CALLS = frozenset({Kind.USE, Kind.DENIAL, Kind.ERROR})
HISTORY = frozenset({Kind.OWNER, Kind.AGENT, Kind.ENTITLEMENT, Kind.ENDED})  # facts that a running Remit has itself


class UsageEvent(NamedTuple):
    """One event. Text that nobody said is empty; `body` is canonical JSON of what else the source said."""

    source: str
    id: str
    at: Instant
    kind: Kind
    agent: str = ""
    purpose: str = ""
    action: str = ""
    run: str = ""
    body: str = "{}"

    @property
    def seq(self) -> int | None:
        """Its number, if its source counts."""
        return number_of(self.id)


class RefusedLine(NamedTuple):
    """A line that was not taken. What it said is not known, unless `told`: then nothing is missing because of it."""

    line: int
    reason: str
    told: bool = False


def id_of(number: int | None, text: str) -> str:
    """The id of an event that has this number, or else this text. No text is taken for a number."""
    if number is not None:
        return f"{_NUMBER}{number}"
    return _NUMBER + text if text.startswith(_NUMBER) else text


def number_of(event: str) -> int | None:
    """The number that an id stands for, or None."""
    digits = event[len(_NUMBER) :]
    return int(digits) if event.startswith(_NUMBER) and digits.isascii() and digits.isdigit() else None


def text_of(event: str) -> str:
    """The text that an id stands for, if it is no number."""
    return event.removeprefix(_NUMBER)


def canonical_line(event: UsageEvent) -> bytes:
    """The bytes of an event that its import's digest is made from: RFC 8785, for it holds text and one whole number."""
    return _sorted.encode(event._asdict())


def digest(events: Iterable[UsageEvent]) -> str:
    """Hex SHA-256 of the canonical lines of `events`, each with a line feed, in order of their ids."""
    found = hashlib.sha256()
    for event in sorted(events, key=lambda event: event.id):
        found.update(canonical_line(event) + b"\n")
    return found.hexdigest()
