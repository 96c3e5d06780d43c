"""What the effects of a batch do, worked out in memory between one locked read and one write (pure).

The database says which proofs were fresh and what the counters hold, and keeps both locked
until the commit; this module runs the works in their order over those figures. So one rule
serves every database, a batch costs the same few statements however many works it has, and
what one call reserved is undone by leaving it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from remit.storage.model import Activate, Committed, ConsumeProof, Effect, Entry, Release, Reserve, Work

CounterKey = tuple[str, int]  # key, start of the window
RowKey = tuple[str, str, str, str]  # agent, purpose, action, scope of an activation

NOTHING_FAILED = Committed(None)


@dataclass(slots=True)
class Wanted:
    """What the effects of a batch need to know and to lock."""

    proofs: dict[str, int] = field(default_factory=dict)  # key: expires
    reserved: dict[CounterKey, int] = field(default_factory=dict)  # counter: expires
    released: set[CounterKey] = field(default_factory=set)
    activations: set[RowKey] = field(default_factory=set)


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


def wanted(works: Iterable[Work]) -> Wanted:
    """Collect the proofs and counters that `works` name."""
    found = Wanted()
    for work in works:
        for effect in work.effects:
            if isinstance(effect, ConsumeProof):
                found.proofs.setdefault(effect.key, effect.expires)
            elif isinstance(effect, Reserve):
                found.reserved[effect.key, effect.window] = effect.expires
            elif isinstance(effect, Activate):
                found.activations.add(effect.key)
            else:
                found.released.add((effect.key, effect.window))
    return found


def settle(
    works: Sequence[Work],
    *,
    fresh: set[str],
    used: Mapping[CounterKey, int],
    serials: Mapping[RowKey, int] | None = None,
) -> Settled:
    """Run the effects of `works` in order.

    Args:
        works: The batch.
        fresh: Proofs this transaction inserted. The first work that names one has it; a second
            one in the same batch finds it gone (RFC 9449 section 11.1: a replayed proof).
        used: Counters that exist, locked until the commit.
        serials: The serials of the activations that exist, locked until the commit.
    """
    settled = Settled(answers=[], entries=[], counters={})
    fresh, counters, rows = set(fresh), dict(used), dict(serials or {})
    for work in works:
        if not work.effects:
            settled.answers.append(NOTHING_FAILED)
            settled.entries += work.entries
            continue
        changed: dict[CounterKey, int] = {}
        try:
            answer = _run(work.effects, fresh, counters, changed, rows)
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


def _start(settled: Settled, effects: Iterable[Effect], rows: dict[RowKey, int]) -> None:
    for effect in effects:
        if isinstance(effect, Activate):
            rows[effect.key] = effect.row.serial
            settled.activations[effect.key] = effect
            if effect.notice is not None:
                settled.notices.append(effect)


def _run(
    effects: Sequence[Effect],
    fresh: set[str],
    counters: Mapping[CounterKey, int],
    changed: dict[CounterKey, int],
    rows: Mapping[RowKey, int],
) -> Committed:
    """One work: all its proofs first, then what it counts and starts; on a failure `changed` is left empty."""
    failed: Effect | None = None
    for effect in effects:
        if isinstance(effect, ConsumeProof):
            if effect.key in fresh:
                fresh.discard(effect.key)
            else:
                failed = failed or effect
        elif isinstance(effect, Activate) and rows.get(effect.key, 0) != effect.expected:
            failed = failed or effect
    return Committed(failed) if failed is not None else _count(effects, counters, changed)


def _count(effects: Sequence[Effect], counters: Mapping[CounterKey, int], changed: dict[CounterKey, int]) -> Committed:
    used: list[int] = []
    for effect in effects:
        if not isinstance(effect, (Reserve, Release)):
            continue
        counter = (effect.key, effect.window)
        before = changed.get(counter, counters.get(counter))
        if isinstance(effect, Release):
            if before is not None:
                changed[counter] = max(0, before - effect.amount)
        elif (after := _reserve(effect, before or 0)) is None:
            changed.clear()
            return Committed(effect)
        else:
            changed[counter] = after
            used.append(after)
    return Committed(None, tuple(used))


def _reserve(effect: Reserve, before: int) -> int | None:
    if effect.amount < 0:
        raise ValueError("a reservation is not negative")
    after = before + effect.amount
    return after if after <= effect.limit else None


def _otherwise(work: Work, failed: Effect) -> tuple[Entry, ...]:
    return () if work.otherwise is None else work.otherwise(failed)
