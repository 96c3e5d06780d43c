"""Whatever is killed when: no forwarded call stays without an outcome, and none gets two."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Connection, create_engine, insert, select, text
from sqlalchemy.pool import StaticPool
from tests.thorough import examples

from remit.audit.recovery import MARK, OpenCalls, heartbeat, recover
from remit.audit.service import Recorder
from remit.audit.sql import SqlLog
from remit.audit.stored import header, read_bundle
from remit.kernel.clock import FixedClock
from remit.kernel.errors import StorageUnavailable
from remit.keys.model import LogKey
from remit.storage import bundle
from remit.storage.commit import ChangeTransaction
from remit.storage.every_table import metadata
from remit.storage.model import Committed, Entry, Work
from remit.storage.schema import bundles, entries

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tests.unit.audit.conftest import Ledger

    from remit.storage.ports import Transaction

T = TypeVar("T")


def nothing(_: Transaction) -> None:
    """What else is kept with a heartbeat: not here."""


class Crash(Exception):
    """The machine stops here."""


class NoKeys:
    """Recovery seals nothing."""

    @property
    def log_key(self) -> LogKey:
        raise AssertionError

    def derive(self, label: str) -> bytes:
        return label.encode()

    def data_key(self, owner: str) -> bytes:
        raise AssertionError(owner)

    def load_data_key(self, connection: Connection, owner: str) -> bytes:
        raise AssertionError(owner, connection)

    def erased(self, connection: Connection, owner: str) -> bool:
        raise AssertionError(owner, connection)


class Disk:
    """A writer and reader whose queue is lost in a crash. Commits works first, then changes, as the real one does."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(self.engine)
        self.queue: list[Work] = []
        self.lives = 10**9  # changes until the next crash

    def submit(self, work: Work) -> Future[Committed]:
        self.queue.append(work)
        return Future()

    def submit_async(self, work: Work) -> asyncio.Future[Committed]:
        raise AssertionError(work)

    def read(self, query: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            return query(connection)

    def change(self, apply: Callable[[Transaction], T]) -> T:
        if self.lives == 0:
            raise Crash
        self.lives -= 1
        value, _ = self.commit(apply)
        return value

    def commit(self, apply: Callable[[Transaction], T]) -> tuple[T, list[Entry]]:
        works, self.queue = self.queue, []
        stored = [entry for work in works for entry in work.entries]
        with self.engine.begin() as connection:
            transaction = ChangeTransaction(connection)
            value = apply(transaction)
            stored += transaction.entries
            if stored:
                packed = bundle.compress(bundle.pack([entry.header for entry in stored]))
                made = connection.execute(insert(bundles).values(count=len(stored), headers=packed))
                number = made.lastrowid
                rows = [{"entry": entry.id, "bundle": number, "slot": slot} for slot, entry in enumerate(stored)]
                connection.execute(insert(entries), rows)
        return value, stored


def on_disk(disk: Disk) -> list[tuple[int, dict[str, Any]]]:
    rows = disk.read(lambda connection: connection.execute(select(bundles)).all())
    return [(row.bundle, header(raw)) for row in rows for raw in read_bundle(row.headers, row.count)[0]]


class Machine(RuleBasedStateMachine):
    """Calls come and go, heartbeats flush, and the process is killed at any point, also while it recovers."""

    decided = Bundle("decided")

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.calls = OpenCalls()
        self.recorder = Recorder(NoKeys(), FixedClock(1), lambda: 1)
        self.ids = itertools.count(1)
        self.crashes = 0
        self.asked: set[str] = set()  # outcomes handed to the writer

    @rule(target=decided, forwarded=st.booleans())
    def decide(self, forwarded: bool) -> str:  # noqa: FBT001 - drawn by hypothesis
        decision = f"dec_{next(self.ids)}"
        if forwarded:
            self.calls.note_open(decision)
        fields = {"forwarded": forwarded, "agent": "bot"}
        self.disk.submit(Work((self.recorder.entry("decision", fields, id=decision),)))
        return decision

    @rule(target=decided)
    def decide_and_be_denied_by_an_effect(self) -> str:
        decision = f"dec_{next(self.ids)}"
        self.calls.note_open(decision)
        self.disk.submit(Work((self.recorder.entry("decision", {"forwarded": False}, id=decision),)))
        return decision

    @rule(decision=decided)
    def finish(self, decision: str) -> None:
        durable = {entry["id"]: entry for _, entry in on_disk(self.disk)}
        if decision not in durable or decision not in self.calls._open or decision in self.asked:
            return  # not answered yet, or ended, or the process that knew it is gone
        self.asked.add(decision)
        if durable[decision]["forwarded"]:
            outcome = self.recorder.entry("outcome", {"decision": decision, "outcome": "ok"})
            self.disk.submit(Work((outcome,)))
        else:
            self.calls.note_closed(decision)

    def _close(self, stored: list[Entry]) -> None:
        for entry in stored:
            found = header(entry.header)
            if found["kind"] == "outcome":
                self.calls.note_closed(found["decision"])

    @rule()
    def commit(self) -> None:
        self._close(self.disk.commit(lambda _tx: None)[1])

    @rule()
    def beat(self) -> None:
        queued = [entry for work in self.disk.queue for entry in work.entries]
        heartbeat(self.disk, self.recorder, self.calls, {}, nothing)
        self._close(queued)

    @rule(before_recovery_ends=st.none() | st.integers(0, 2))
    def crash(self, before_recovery_ends: int | None) -> None:
        self.crashes += 1
        self.disk.queue.clear()
        self.asked.clear()
        self.calls = OpenCalls()
        if before_recovery_ends is not None:
            self.disk.lives = before_recovery_ends
            with contextlib.suppress(Crash):
                recover(self.disk, self.disk, self.recorder)
            self.disk.lives = 10**9
        recover(self.disk, self.disk, self.recorder)
        outcomes = Counter(entry["decision"] for _, entry in on_disk(self.disk) if entry["kind"] == "outcome")
        forwarded = {entry["id"] for _, entry in on_disk(self.disk) if entry.get("forwarded")}
        assert outcomes == Counter(dict.fromkeys(forwarded, 1))

    @invariant()
    def the_mark_keeps_its_promise(self) -> None:
        mark = self.disk.read(lambda connection: SqlLog(connection).mark(MARK))
        closed = {entry["decision"] for _, entry in on_disk(self.disk) if entry["kind"] == "outcome"}
        for number, entry in on_disk(self.disk):
            assert number >= mark or not entry.get("forwarded") or entry["id"] in closed

    @precondition(lambda self: not self.calls)
    @rule()
    def an_idle_mark_is_at_the_end(self) -> None:
        self.commit()
        newest = self.disk.read(lambda connection: SqlLog(connection).newest_bundle())
        heartbeat(self.disk, self.recorder, self.calls, {}, nothing)
        assert self.disk.read(lambda connection: SqlLog(connection).mark(MARK)) == newest + 1


TestRecovery = Machine.TestCase
TestRecovery.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)


def test_a_killed_servers_calls_become_unknown(either: Ledger) -> None:
    forwarded = either.recorder.entry("decision", {"forwarded": True, "agent": "bot", "action": "crm/read"})
    either.record(forwarded, either.recorder.entry("decision", {"forwarded": False}))
    either.close()
    either.open()
    reader, writer = either.database.reader, either.database.writer
    assert [recover(writer, reader, either.recorder).lost for _ in range(2)] == [1, 0]
    outcome = either.log.outcome_of(forwarded.id) or {}
    assert (outcome["outcome"], outcome["agent"], outcome["action"]) == ("outcome_unknown", "bot", "crm/read")


def test_the_call_of_an_enforcement_point_was_not_observed(either: Ledger) -> None:
    own = either.recorder.entry("decision", {"forwarded": True, "agent": "bot", "action": "crm/read"})
    asked = either.recorder.entry("decision", {"forwarded": True, "agent": "bot", "action": "crm/read", "pep": "edge"})
    either.record(own, asked)
    either.close()
    either.open()
    assert recover(either.database.writer, either.database.reader, either.recorder).lost == 1
    outcome = either.log.outcome_of(asked.id) or {}
    assert (outcome["outcome"], outcome["pep"]) == ("not_observed", "edge")
    assert (either.log.outcome_of(own.id) or {})["outcome"] == "outcome_unknown"


def test_the_oldest_of_many_open_calls_holds_the_mark() -> None:
    disk, recorder, calls = Disk(), Recorder(NoKeys(), FixedClock(1), lambda: 1), OpenCalls()
    for _ in range(300):
        calls.note_open("dec_never_recorded_" + str(len(calls)))
    for number in range(3):
        entries_ = [recorder.entry("decision", {"forwarded": True}) for _ in range(300)]
        for entry in entries_:
            calls.note_open(entry.id)
        disk.submit(Work(tuple(entries_)))
        disk.commit(lambda _tx: None)
        if number == 0:
            first = entries_
    heartbeat(disk, recorder, calls, {}, nothing)
    assert disk.read(lambda connection: SqlLog(connection).mark(MARK)) == 1
    for entry in first:
        calls.note_closed(entry.id)
    heartbeat(disk, recorder, calls, {}, nothing)
    assert disk.read(lambda connection: SqlLog(connection).mark(MARK)) == 2


def test_what_would_have_been_denied_is_no_use(ledger: Ledger) -> None:
    for more in ({}, {"observed": True}):
        done = ledger.recorder.entry("decision", {"forwarded": True})
        ledger.record(done, ledger.recorder.entry("outcome", {"decision": done.id, "outcome": "ok", **more}))
    found = recover(ledger.database.writer, ledger.database.reader, ledger.recorder)
    assert (found.lost, ["observed" in use for use in found.uses]) == (0, [False])


def test_a_finished_call_gets_no_second_outcome(ledger: Ledger) -> None:
    done = ledger.recorder.entry("decision", {"forwarded": True})
    ledger.record(done)
    ledger.record(ledger.recorder.entry("outcome", {"decision": done.id, "outcome": "ok"}))
    assert recover(ledger.database.writer, ledger.database.reader, ledger.recorder).lost == 0
    assert len(ledger.log.recent(5, kind="outcome")) == 1


def test_a_damaged_bundle_is_an_incident_and_keeps_nobody_from_starting(ledger: Ledger) -> None:
    ledger.record(ledger.recorder.entry("decision", {"forwarded": True}))
    lost = ledger.recorder.entry("decision", {"forwarded": True})
    ledger.record(lost)
    ledger.database.writer.change(
        lambda tx: tx.connection.execute(text("UPDATE bundles SET headers = x'00' WHERE bundle = 1"))
    )
    assert recover(ledger.database.writer, ledger.database.reader, ledger.recorder).lost == 1
    assert (ledger.log.outcome_of(lost.id) or {})["outcome"] == "outcome_unknown"
    (incident,) = ledger.log.recent(5, kind="incident")
    assert (incident.header["what"], incident.header["bundle"]) == ("log_damaged", 1)


def test_many_lost_calls_are_recorded_in_bounded_transactions() -> None:
    disk, recorder = Disk(), Recorder(NoKeys(), FixedClock(1), lambda: 1)
    for _ in range(3):
        lost = tuple(recorder.entry("decision", {"forwarded": True}) for _ in range(900))
        disk.submit(Work(lost))
        disk.commit(lambda _tx: None)
    assert recover(disk, disk, recorder).lost == 2700
    sizes = disk.read(lambda connection: list(connection.execute(select(bundles.c.count)).scalars()))
    assert sizes == [900, 900, 900, 1000, 1000, 700]


def test_a_database_that_is_gone_is_said_to_be(ledger: Ledger) -> None:
    ledger.close()
    with pytest.raises(StorageUnavailable):
        recover(ledger.database.writer, ledger.database.reader, ledger.recorder)
    ledger.open()
