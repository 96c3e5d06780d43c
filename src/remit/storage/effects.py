"""What the effects of a batch do, worked out in memory between one locked read and one write (pure).

The database says which proofs were fresh and what the counters hold, and keeps both locked
until the commit; this module runs the works in their order over those figures. So one rule
serves every database, a batch costs the same few statements however many works it has, and
what one call reserved is undone by leaving it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from remit.storage.model import (
    Activate,
    Committed,
    ConsumeApproval,
    ConsumeProof,
    Effect,
    Entry,
    Mark,
    Marked,
    Release,
    Renew,
    Reserve,
    Unmarked,
    Work,
)

CounterKey = tuple[str, int]  # key, start of the window
RowKey = tuple[str, str, str, str]  # agent, purpose, action, scope of an activation

NOTHING_FAILED = Committed(None)
MARKS = 0  # a mark is a counter without a window, which holds the moment of the last one


class Going(NamedTuple):
    """Until when a run goes, and its newest token."""

    ends: int
    token_expires: int


@dataclass(slots=True)
class Wanted:
    """What the effects of a batch need to know and to lock."""

    proofs: dict[str, int] = field(default_factory=dict)  # key: expires
    reserved: dict[CounterKey, int] = field(default_factory=dict)  # counter: expires
    released: set[CounterKey] = field(default_factory=set)
    activations: set[RowKey] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    approvals: set[str] = field(default_factory=set)  # by request

    def reserve(self, counter: CounterKey, expires: int) -> None:
        """A counter is written, or must stay as it is: it is there until `expires` at the least."""
        self.reserved[counter] = max(expires, self.reserved.get(counter, 0))


@dataclass(slots=True)
class Settled:
    """What a batch comes to: an answer per work, and what to write.

    An answer that is an exception belongs to a work that cannot be recorded; the others stand.
    """

    answers: list[Committed | Exception]
    entries: list[Entry]
    counters: dict[CounterKey, int]  # the counters that changed, with their new values
    activations: dict[RowKey, Activate] = field(default_factory=dict)  # the rows to write, the last one for each key
    notices: list[Activate] = field(default_factory=list)
    renewed: dict[str, tuple[Renew, Going]] = field(default_factory=dict)  # by run: who renewed it last, and to what
    approved: list[ConsumeApproval] = field(default_factory=list)  # the approvals that were used


@dataclass(slots=True)
class _Rows:
    """What the database holds of what the works name, as it becomes work by work."""

    fresh: set[str]
    serials: dict[RowKey, int]
    runs: dict[str, Going]
    approvals: dict[str, tuple[str, int]]  # unused, by request: its name, and until when


def wanted(works: Iterable[Work]) -> Wanted:
    """Collect the proofs and counters that `works` name."""
    found = Wanted()
    for work in works:
        for effect in work.effects:
            if isinstance(effect, ConsumeProof):
                found.proofs.setdefault(effect.key, effect.expires)
            elif isinstance(effect, Reserve):
                found.reserve((effect.key, effect.window), effect.expires)
            elif isinstance(effect, (Mark, Unmarked)):
                found.reserve((effect.key, MARKS), effect.expires)
            elif isinstance(effect, Marked):
                found.released.add((effect.key, MARKS))  # read and locked; one that is not there stays so
            elif isinstance(effect, Activate):
                found.activations.add(effect.key)
            elif isinstance(effect, Renew):
                found.runs.add(effect.run)
            elif isinstance(effect, ConsumeApproval):
                found.approvals.add(effect.request)
            else:
                found.released.add((effect.key, effect.window))
    return found


def settle(
    works: Sequence[Work],
    *,
    fresh: set[str],
    used: Mapping[CounterKey, int],
    serials: Mapping[RowKey, int] | None = None,
    runs: Mapping[str, Going] | None = None,
    approvals: Mapping[str, tuple[str, int]] | None = None,
) -> Settled:
    """Run the effects of `works` in order.

    Args:
        works: The batch.
        fresh: Proofs this transaction inserted. The first work that names one has it; a second
            one in the same batch finds it gone (RFC 9449 section 11.1: a replayed proof).
        used: Counters that exist, locked until the commit.
        serials: The serials of the activations that exist, locked until the commit.
        runs: The runs that exist, locked until the commit.
        approvals: Those that stand unused, locked until the commit. The first work that names one has it.
    """
    settled = Settled(answers=[], entries=[], counters={})
    counters, rows = dict(used), _Rows(set(fresh), dict(serials or {}), dict(runs or {}), dict(approvals or {}))
    for work in works:
        if not work.effects:
            settled.answers.append(NOTHING_FAILED)
            settled.entries += work.entries
            continue
        changed: dict[CounterKey, int] = {}
        try:
            answer = _run(work.effects, counters, changed, rows)
            entries = work.entries if answer.failed is None else _otherwise(work, answer.failed)
        except Exception as error:  # noqa: BLE001 - one work that cannot be recorded must not take the batch with it
            settled.answers.append(error)
            continue
        settled.answers.append(answer)
        settled.entries += entries
        counters.update(changed)
        settled.counters.update(changed)
        if answer.failed is None:
            _start(settled, work.effects, rows)
    return settled


def _start(settled: Settled, effects: Iterable[Effect], rows: _Rows) -> None:
    for effect in effects:
        if isinstance(effect, Renew):
            before = rows.runs[effect.run]
            rows.runs[effect.run] = Going(before.ends, max(before.token_expires, effect.expires))
            settled.renewed[effect.run] = effect, rows.runs[effect.run]
        elif isinstance(effect, ConsumeApproval):
            del rows.approvals[effect.request]
            settled.approved.append(effect)
        elif isinstance(effect, Activate):
            rows.serials[effect.key] = effect.row.serial
            settled.activations[effect.key] = effect
            if effect.notice is not None:
                settled.notices.append(effect)


def _run(
    effects: Sequence[Effect], counters: Mapping[CounterKey, int], changed: dict[CounterKey, int], rows: _Rows
) -> Committed:
    """One work: all its proofs first, then what it counts and starts; on a failure `changed` is left empty."""
    failed: Effect | None = None
    for effect in effects:
        if isinstance(effect, ConsumeProof):
            if effect.key in rows.fresh:
                rows.fresh.discard(effect.key)
            else:
                failed = failed or effect
        elif _stale(effect, rows):
            failed = failed or effect
    return Committed(failed) if failed is not None else _count(effects, counters, changed)


def _stale(effect: Effect, rows: _Rows) -> bool:
    """Whether the row that an effect builds on is another than it was read as, or over."""
    if isinstance(effect, Activate):
        return rows.serials.get(effect.key, 0) != effect.expected
    if isinstance(effect, Renew):
        run = rows.runs.get(effect.run)
        return run is None or run.ends != effect.ends or run.token_expires <= effect.live
    if isinstance(effect, ConsumeApproval):
        approval, until = rows.approvals.get(effect.request, ("", 0))
        return approval != effect.approval or until <= effect.at
    return False


def _count(effects: Sequence[Effect], counters: Mapping[CounterKey, int], changed: dict[CounterKey, int]) -> Committed:
    used: list[int] = []
    granted: list[int] = []
    for effect in effects:
        if isinstance(effect, (ConsumeProof, Activate, Renew, ConsumeApproval)):
            continue
        counter = (effect.key, effect.window) if isinstance(effect, (Reserve, Release)) else (effect.key, MARKS)
        before = changed.get(counter, counters.get(counter))
        after = _reserve(effect, before or 0) if isinstance(effect, Reserve) else _after(effect, before or 0)
        if after is None:
            changed.clear()
            return Committed(effect)
        if isinstance(effect, Reserve):
            used.append(after)
            granted.append(after - (before or 0))
        elif not isinstance(effect, Mark) and (before is None or not isinstance(effect, Release)):
            continue  # nothing is written
        changed[counter] = after
    return Committed(None, tuple(used), tuple(granted))


def _after(effect: Release | Mark | Marked | Unmarked, before: int) -> int | None:
    """What the effect leaves of a counter that holds `before`; None: it fails."""
    match effect:
        case Release():
            return max(0, before - effect.amount)
        case Mark():
            return max(before, effect.at)
        case Marked():
            return before if before >= max(1, effect.since) else None
        case Unmarked():
            return None if before else before


def _reserve(effect: Reserve, before: int) -> int | None:
    if effect.amount < 0 or effect.needed < 0:
        raise ValueError("a reservation is not negative")
    if before + effect.needed > effect.limit:
        return None
    return min(before + effect.amount, effect.limit)


def _otherwise(work: Work, failed: Effect) -> tuple[Entry, ...]:
    return () if work.otherwise is None else work.otherwise(failed)
