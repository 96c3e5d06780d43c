"""Calls that were let through and whose outcome was never recorded.

The low-water mark `outcomes_complete_before` in `meta` is a bundle number M with the promise:

    every decision in a bundle below M that was to be forwarded has its outcome on disk.

How it is kept. `note_open` is called before a decision is handed to the writer, `note_closed`
after its outcome is durable (or the decision turned out to be a denial). A flush first reads
the newest bundle number B, then copies the set of open calls. A forwarded decision in a bundle
up to B was handed over before B was read, so it is in the copy unless it was closed. So M may
become the lowest bundle that holds a decision of the copy, else B + 1. A call that is never
closed only holds the mark back: the next start looks at more, and misses nothing.

Where several nodes share the log, each keeps its own mark in its row of `nodes`, and decisions name their node: a
node's bundles are numbered in the order in which it commits them, and none is below a number that was seen before.

At start, bundles from M on are read: each forwarded decision without an outcome gets
`outcome_unknown` (`not_observed`, if an enforcement point asked for it). A crash in between
repeats that, and finds the outcomes it already wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from remit.audit.service import Recorder
from remit.audit.sql import Bundle, SqlLog
from remit.audit.stored import header, read_bundle
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed
from remit.storage.model import Entry
from remit.storage.node_sql import Signs, SqlNodes
from remit.storage.ports import Reader, Transaction, Writer

MARK = "outcomes_complete_before"
UNKNOWN = "outcome_unknown"
NOT_OBSERVED = "not_observed"  # of a call that an enforcement point made, and did not report
ANY = "*"  # of whatever node, or none
_NEVER = 2**62  # above every bundle
_STEP = 256  # bundles read at once
_BATCH = 1000  # outcomes written in one transaction
# Of the decision, into the outcome that nobody else will write.
_COPIED = ("agent", "purpose", "action", "pep", "cooperative")


class OpenCalls:
    """The calls of this process that may leave or have left, and have no recorded outcome. Any thread."""

    def __init__(self) -> None:
        self._open: dict[str, None] = {}  # set and delete of a key are atomic; a copy is too

    def note_open(self, decision: str) -> None:
        """A decision that will be forwarded if it stands is about to be handed to the writer."""
        self._open[decision] = None

    def note_closed(self, decision: str) -> None:
        """Its outcome is durable, or it was denied after all and nothing left."""
        self._open.pop(decision, None)

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def flush(self, tx: Transaction, node: str | None = None) -> int:
        """Raise the mark (of one of several nodes: its own) within a change, with each heartbeat; the new mark."""
        log = SqlLog(tx.connection)
        newest = log.newest_bundle()
        still = self._open.copy()  # after `newest` was read: see the module
        mark = min([newest + 1, *_lowest(log, list(still))])
        if node is None:
            log.set_mark(MARK, mark)
        else:
            SqlNodes(tx.connection).set_mark(node, mark)
        return mark


def _lowest(log: SqlLog, still: Sequence[str]) -> Iterator[int]:
    """The lowest bundle that holds one of these open calls, if any does; no more of them are looked up than needed.

    They stand in the order in which they were handed to the writer, which puts no later one in
    an earlier bundle. Calls by enforcement points may be open for long, and be many.
    """
    for at in range(0, len(still), _STEP):
        if places := log.places_of(still[at : at + _STEP]):
            yield min(places.values())
            return


def heartbeat(
    writer: Writer, recorder: Recorder, calls: OpenCalls, fields: dict[str, Any],
    keep: Callable[[Transaction], None], *, node: str | None = None,
) -> None:  # fmt: skip
    """Record a heartbeat, raise the mark and keep what goes with it (the use seen so far), in one change.

    A use is noted before its call is closed, so what `keep` does not have yet belongs to a
    call that holds the mark back, and is found again from there after a crash.
    """

    def beat(tx: Transaction) -> None:
        calls.flush(tx, node)
        keep(tx)
        tx.record(recorder.entry("heartbeat", fields))

    writer.change(beat)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a stop left: how many calls got `outcome_unknown`, and the uses that may not have been written."""

    lost: int
    uses: list[Mapping[str, Any]]  # outcome entries that are `ok`, oldest first


def recover(writer: Writer, reader: Reader, recorder: Recorder, *, shared: bool = False) -> Recovered:
    """Before any call is taken: record `outcome_unknown` for what a crash left open, and find unwritten use.

    Where several nodes share the log (`shared`), what a node recorded is settled when that node is known to be dead
    (`settle`), for the others live. Then this is about calls from before entries named their node, and done once.

    A bundle that cannot be read is recorded as an incident. It does not keep the server from
    starting: it is verification that says what is wrong with the log.

    Raises:
        StorageUnavailable: Try again; nothing is written twice.
    """
    mark = reader.read(lambda connection: SqlLog(connection).mark(MARK))
    found = _without_outcome(reader, mark, None if shared else ANY)
    lost = _lost(recorder, found)
    for at in range(0, len(lost), _BATCH):
        writer.change(_record(lost[at : at + _BATCH]))
    writer.change(lambda tx: SqlLog(tx.connection).set_mark(MARK, _NEVER if shared else found.newest + 1))
    return Recovered(found.unknown, found.uses)


class _Taken(Exception):
    """Another node settles it now."""


def settle(  # noqa: PLR0913 - as `recover`, of one node
    writer: Writer, reader: Reader, recorder: Recorder, node: str, *, settler: str, seen: Signs | None, now: Instant,
    replay: Callable[[Transaction, Sequence[Mapping[str, Any]]], None],
) -> int | None:  # fmt: skip
    """Give up a node that is dead, and do for it what `recover` does; how many calls got `outcome_unknown`.

    None if it lives after all, or was settled, or another node settles it now. Once it is given up it records nothing
    any more, so an outcome that it was about to record does not come beside the one recorded here.

    Args:
        writer: Records.
        reader: Reads the log.
        recorder: Makes entries.
        node: Which one.
        settler: Who does it.
        seen: The signs of life it last gave, if it was seen to be silent; None if its process is known to have ended.
        now: When it is.
        replay: Writes, within a change, the uses that it may not have written.

    Raises:
        StorageUnavailable: Try again; nothing is written twice.
    """
    mark = writer.change(lambda tx: SqlNodes(tx.connection).claim(node, settler=settler, seen=seen, now=now))
    if mark is None:
        return None
    found = _without_outcome(reader, mark, node)
    lost = _lost(recorder, found)
    if seen is not None:
        lost.append(recorder.entry("incident", {"what": "node_given_up", "about": node}))

    def within(entries: Sequence[Entry], *, last: bool) -> Callable[[Transaction], None]:
        def apply(tx: Transaction) -> None:
            rows = SqlNodes(tx.connection)
            if not rows.settles(node, settler):
                raise _Taken
            _record(entries)(tx)
            if last:
                replay(tx, found.uses)
                rows.forget(node)

        return apply

    try:
        for at in range(0, len(lost), _BATCH):
            writer.change(within(lost[at : at + _BATCH], last=False))
        writer.change(within((), last=True))
    except _Taken:
        return None
    return found.unknown


def _lost(recorder: Recorder, found: _Found) -> list[Entry]:
    lost = [recorder.entry("outcome", {**fields, "outcome": _without(fields)}) for fields in found.open.values()]
    lost += [
        recorder.entry("incident", {"what": "log_damaged", "bundle": bundle, "detail": problem})
        for bundle, problem in found.damaged
    ]
    return lost


def _without(fields: Mapping[str, Any]) -> str:
    """The outcome of a decision that has none: a call by an enforcement point was never Remit's to see."""
    return NOT_OBSERVED if "pep" in fields else UNKNOWN


def _record(entries: Sequence[Entry]) -> Callable[[Transaction], None]:
    def apply(tx: Transaction) -> None:
        for entry in entries:
            tx.record(entry)

    return apply


@dataclass(slots=True)
class _Found:
    newest: int
    open: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # by decision: the fields of its outcome
    damaged: list[tuple[int, str]] = field(default_factory=list)
    uses: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def unknown(self) -> int:
        """How many of the calls were Remit's own to see."""
        return sum(_without(fields) == UNKNOWN for fields in self.open.values())


def _without_outcome(reader: Reader, mark: int, node: str | None) -> _Found:
    """What stands in the bundles from `mark` on: decisions without outcome, unreadable bundles.

    Only decisions of `node` count (None: those that name no node; ANY: all), and the uses that they led to: a use
    that was not written down belongs to a decision from `mark` on, as that is what holds the mark back.
    """
    found, mine = _Found(newest=mark - 1), set[str]()
    for bundle in _bundles(reader, mark):
        found.newest = bundle.bundle
        headers, problem = read_bundle(bundle.headers, bundle.count)
        if problem:
            found.damaged.append((bundle.bundle, problem))
        for raw in headers:
            entry = _header(raw)
            if entry.get("kind") == "decision" and entry.get("forwarded") is True:
                if node not in {ANY, entry.get("node")}:
                    continue
                mine.add(entry["id"])
                found.open[entry["id"]] = {"decision": entry["id"]} | {k: entry[k] for k in _COPIED if k in entry}
            elif entry.get("kind") == "outcome":
                found.open.pop(entry.get("decision", ""), None)
                if "observed" in entry or "cooperative" in entry:
                    continue  # of a call that would have been denied, or as the agent says itself: it is no use
                if entry.get("outcome") == "ok" and (node == ANY or entry.get("decision") in mine):
                    found.uses.append(entry)
    return found


def _header(raw: bytes) -> dict[str, Any]:
    try:
        return header(raw)
    except Malformed:  # only behind damage, which is reported as such
        return {}


def _bundles(reader: Reader, mark: int) -> Iterator[Bundle]:
    number = mark - 1
    while True:
        rows = reader.read(_after(number))
        yield from rows
        if len(rows) < _STEP:
            return
        number = rows[-1].bundle


def _after(number: int) -> Callable[[Connection], list[Bundle]]:
    return lambda connection: SqlLog(connection).after(number, _STEP)
