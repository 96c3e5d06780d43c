"""Every entitlement of a database judged anew from its records, and compared with what the database says of it.

Judged is what the log last said of it, at the end of the record, as a full sweep of a server would. Nothing is
written. A server looks once a second at what is due, so what changes about then may stand either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from remit.access.activation import ActivationKey
from remit.audit.standing import Rows
from remit.certification.estate.judging import DIGEST, STATES
from remit.certification.estate.ports import Estate
from remit.certification.estate.records import RecordsBench, Source, bench
from remit.certification.estate.verdicts import Verdicts, full, incremental
from remit.certification.estate.words import Word, words
from remit.certification.replaying.reading import LATE
from remit.kernel.clock import EPOCH, MINUTE, SECOND, Instant, rfc3339

_AT: Final = {state: at for at, state in enumerate(STATES)}
_NOBODY: Final = Instant(-1)  # by then nothing is due: only what is named is judged


class Otherwise(NamedTuple):
    """An entitlement of which the database says another thing than what it is judged to be, or than the log."""

    agent: str
    purpose: str
    action: str
    scope: str
    recorded: str
    judged: str
    why: str


@dataclass(slots=True)
class Anew:
    """What came of it."""

    at: Instant  # the end of the record, at which it was judged
    judged: int = 0
    unsaid: int = 0  # of which the log says nothing: it is from before, or its entries were pruned
    differences: list[Otherwise] = field(default_factory=list)
    turning: list[Otherwise] = field(default_factory=list)  # whose time is at the end of the record: these may wait


@dataclass(slots=True)
class _Stored:
    """The rows, column by column."""

    keys: list[ActivationKey]
    recorded: Verdicts
    unreadable: set[int]


def anew(
    rows: Rows, source: Source, estate: Estate, told: Callable[[int], None] = lambda _many: None
) -> Anew:  # fmt: skip
    """Judge everything in `estate`, which holds the same entitlements in the order of their keys, rolled up.

    Raises:
        IntegrityFailed: The log or the registry cannot be read.
    """
    stored = _stored(source)
    said = words(rows, {key: eid for eid, key in enumerate(stored.keys)}, told)
    against = {eid: word for eid, word in said.of.items() if _contradicts(stored.recorded, eid, word)}
    before = _before(stored.recorded, against)
    judge = bench(source, stored.keys, said.newest)
    after = full(estate, before, judge=partial(map, judge.judge))
    moved = _moved(stored.recorded, before, after, range(len(before)))
    open_ = [eid for eid in moved if eid not in against]
    differ = {*against, *stored.unreadable, *_not_turning(open_, stored.recorded, before, judge, estate)}
    found = Anew(judge.now, len(before), len(before) - len(said.of))
    for eid in sorted({*moved, *differ}):
        into = found.differences if eid in differ else found.turning
        recorded = _said(stored.recorded, eid, stored.recorded.reasons[eid])
        judged = _said(after, eid, _judged(before, after, eid)[1])
        into.append(Otherwise(*stored.keys[eid], recorded, judged, _why(stored, eid, against.get(eid), judge.now)))
    found.differences += [
        Otherwise(*key, "nothing", _text(word.state, word.why), "it has no row; the log says this of it")
        for key, word in sorted(said.strays.items())
    ]
    return found


def _stored(source: Source) -> _Stored:
    """Every row of what was ever started."""
    rows = sorted(source.activations(), key=lambda row: row.activation.key)
    found = _Stored([row.activation.key for row in rows], Verdicts(), set())
    into = found.recorded
    for eid, (each, due, readable) in enumerate(rows):
        into.states.append(_AT[each.state])
        into.reasons.append(each.why)
        into.since.append(each.since)
        into.due.append(due)
        if each.under is not None:
            into.unders[eid] = each.under
        if each.unsure:
            into.unsures[eid] = each.unsure
        if not readable:
            found.unreadable.add(eid)
    into.digests += bytes(DIGEST * len(rows))
    return found


def _contradicts(recorded: Verdicts, eid: int, word: Word) -> bool:
    state, why = STATES[recorded.states[eid]].value, recorded.reasons[eid]
    return word.state != state or (word.why is not None and word.why != why)


def _before(recorded: Verdicts, against: Mapping[int, Word]) -> Verdicts:
    """As the log says that it stands."""
    before = recorded.copy()
    for eid, word in against.items():
        before.states[eid] = next(at for state, at in _AT.items() if state.value == word.state)
        before.reasons[eid] = word.why or ""
        before.since[eid] = word.at
        before.unders.pop(eid, None)
        before.unsures.pop(eid, None)
    return before


def _moved(recorded: Verdicts, before: Verdicts, after: Verdicts, eids: Iterable[int]) -> list[int]:
    """Those that do not stand as they are judged."""
    return [eid for eid in eids if _stands(recorded, eid, recorded.reasons[eid]) != _judged(before, after, eid)]


def _stands(verdicts: Verdicts, eid: int, why: str) -> tuple[Any, ...]:
    return verdicts.states[eid], why, verdicts.unders.get(eid), verdicts.unsures.get(eid, EPOCH)


def _judged(before: Verdicts, after: Verdicts, eid: int) -> tuple[Any, ...]:
    """What would be kept of it: where nothing is written, the reason that was there, which may be none."""
    stays = before.states[eid] == after.states[eid] and not before.reasons[eid]
    return _stands(after, eid, "" if stays else after.reasons[eid])


def _not_turning(
    open_: list[int], recorded: Verdicts, before: Verdicts, judge: RecordsBench, estate: Estate
) -> list[int]:  # fmt: skip
    """Those of `open_` that no tick was about to look at, and that would stand otherwise a minute ago or later too."""
    left = [eid for eid in open_ if not judge.now - LATE <= recorded.due[eid] <= judge.now + SECOND]
    for micros in (-MINUTE, MINUTE):
        if left:
            other = judge.moved(micros)
            after, _ = incremental(estate, before, left, now=_NOBODY, judge=partial(map, other.judge))
            left = _moved(recorded, before, after, left)
    return left


def _why(stored: _Stored, eid: int, word: Word | None, now: Instant) -> str:
    due = stored.recorded.due[eid]
    if eid in stored.unreadable:
        return "its row is damaged, and stands for nothing in force"
    if word is not None:
        return f"the log last said {_text(word.state, word.why)}"
    if due > now + SECOND:
        return "nothing was to look at it now, so what it stands on was changed, or its row was"
    return f"it was to be looked at from {rfc3339(max(0, due))} on"


def _said(verdicts: Verdicts, eid: int, why: str) -> str:
    """State and reason; and what it goes back to, which may be all that is another."""
    under = verdicts.unders.get(eid)
    said = _text(STATES[verdicts.states[eid]].value, why)
    return said if under is None else f"{said} over {_text(under.state.value, under.why)}"


def _text(state: str, why: str | None) -> str:
    return f"{state} ({why})" if why else state
