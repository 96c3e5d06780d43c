"""What is handed to the writer: entries of the log, effects, and changes of state.

Effects are values. The writer applies them in the same transaction as the entry that
depends on them; an effect that changes no row turns the work into its `otherwise`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from remit.kernel.clock import Instant


class Entry(msgspec.Struct, frozen=True):
    """One record for the log: its public bytes, and its sealed payload.

    `header` is what the log hashes. `payload` is sealed (or None) and stands in another
    table, so that it can be erased and the log still verifies.
    """

    id: str
    header: bytes
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class ConsumeProof:
    """Use a key once: inserts it, or fails because it is there already (a replay)."""

    key: str  # e.g. "dpop:" + jkt + ":" + SHA-256 of the jti
    expires: Instant  # after this the proof would be refused as too old, and the row may go


@dataclass(frozen=True, slots=True)
class Reserve:
    """Add `amount` to the counter (key, window) unless it would exceed `limit`.

    With `least`, as much of `amount` as is left, and that much at the least (`Committed.granted`).
    """

    key: str
    window: Instant  # start of the calendar unit
    expires: Instant  # end of the calendar unit
    amount: int
    limit: int
    least: int | None = None

    @property
    def needed(self) -> int:
        """What must be left for it to pass."""
        return self.amount if self.least is None else self.least


@dataclass(frozen=True, slots=True)
class Mark:
    """Note that something was so at that moment. Never fails; the latest moment is kept."""

    key: str
    at: Instant
    expires: Instant  # after this nobody asks any more, and the row may go


@dataclass(frozen=True, slots=True)
class Marked:
    """Go on only if `key` was marked, at `since` or later."""

    key: str
    since: Instant


@dataclass(frozen=True, slots=True)
class Unmarked:
    """Go on only if `key` was not marked. Nobody can mark it meanwhile: until the commit it is locked."""

    key: str
    expires: Instant


@dataclass(frozen=True, slots=True)
class Release:
    """Give back what a call reserved, because it certainly was not spent. Never fails."""

    key: str
    window: Instant
    amount: int


@dataclass(frozen=True, slots=True)
class Activate:
    """Write an activation if it still has the serial that was read (0: there is none yet), and tell its owner."""

    key: tuple[str, str, str, str]  # agent, purpose, action, scope
    expected: int
    row: ActivationRow
    notice: str | None = None  # canonical JSON; kept for the owner of the agent


@dataclass(frozen=True, slots=True)
class ActivationRow:
    """What is stored of an activation besides its key; `body` is the access room's own text."""

    serial: int
    body: str
    due: int  # when its verdict may change by itself, in microseconds
    last: int
    covered: int
    days: int
    gaps: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Let a run go on for one more token, if it still ends when it was known to and was not idle for too long."""

    run: str
    ends: Instant  # as it was known
    live: Instant  # its newest token ended after this
    expires: Instant  # of the token that is being issued
    agent: str
    instance: str
    credential: str
    seen: Instant


@dataclass(frozen=True, slots=True)
class ConsumeApproval:
    """Use a person's approval once: fails if it was used, was taken back, or is over."""

    request: str
    approval: str
    decision: str  # the id of the decision that uses it
    at: Instant


Effect = ConsumeProof | Reserve | Release | Activate | Renew | ConsumeApproval | Mark | Marked | Unmarked


class Work(msgspec.Struct):
    """One decision or outcome: effects and entries that commit together, or not at all.

    `unless` and `given` are ids of entries: nothing is done if the first is recorded already, or
    if the second is not. So what ended in doubt (`InDoubt`) can be handed in again.
    """

    entries: tuple[Entry, ...]
    effects: tuple[Effect, ...] = ()
    otherwise: Callable[[Effect], tuple[Entry, ...]] | None = None
    unless: str | None = None
    given: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What the writer did: `failed` is the first effect that changed no row (None: all did).

    `used` has the counters' new values, in the order of the work's `Reserve` effects; `granted`,
    what each of these got.
    A failed ConsumeProof undoes nothing else because nothing else was tried; a failed
    Reserve undoes the call's other reservations, but a consumed proof stays consumed:
    it has been seen, whatever came of it.
    """

    failed: Effect | None
    used: tuple[int, ...] = ()
    granted: tuple[int, ...] = field(default=(), compare=False)
