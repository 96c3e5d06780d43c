"""A node that died is settled once, and what the living have open is left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from remit.audit.recovery import MARK, OpenCalls, heartbeat, recover, settle
from remit.audit.service import Recorder
from remit.audit.sql import SqlLog
from remit.audit.stored import header, read_bundle
from remit.kernel.clock import FixedClock, Instant
from remit.storage.database import Database
from remit.storage.model import Work
from remit.storage.node_schema import nodes
from remit.storage.ports import Transaction

NOW = Instant(1_800_000_000_000_000)
DEAD, ALIVE = "nod_dead", "nod_alive"


class NoKeys:
    """Nothing is sealed here."""

    def derive(self, label: str) -> bytes:
        return label.encode()


def recorder(node: str | None) -> Recorder:
    return Recorder(NoKeys(), FixedClock(NOW), lambda: 1, lambda: node)  # type: ignore[arg-type]


class Log:
    """One log to which several nodes write; the database is that of the one that lives."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.replayed: list[str] = []
        for node in (DEAD, ALIVE):
            database.writer.change(lambda tx, node=node: _register(tx, node))  # type: ignore[misc]

    def decide(self, node: str | None, decision: str, **more: Any) -> None:
        fields = {"decision": "allow", "forwarded": True, "agent": "a", "action": "s/t", "purpose": "p", **more}
        self.put(recorder(node).entry("decision", fields, id=decision))

    def outcome(self, decision: str, outcome: str = "ok") -> None:
        fields = {"decision": decision, "agent": "a", "action": "s/t", "purpose": "p", "outcome": outcome}
        self.put(recorder(None).entry("outcome", fields))

    def put(self, entry: Any) -> None:
        self.database.writer.submit(Work((entry,))).result(timeout=10)

    def settle(self, *, seen: tuple[int, int] | None = None, settler: str = ALIVE) -> int | None:
        return settle(
            self.database.writer, self.database.reader, recorder(ALIVE), DEAD, settler=settler, seen=seen, now=NOW,
            replay=self._replay,
        )  # fmt: skip

    def _replay(self, _tx: Transaction, uses: Sequence[Mapping[str, Any]]) -> None:
        self.replayed += [str(use["decision"]) for use in uses]

    def entries(self) -> list[dict[str, Any]]:
        found = self.database.reader.read(lambda connection: SqlLog(connection).after(0, 1000))
        return [header(raw) for each in found for raw in read_bundle(each.headers, each.count)[0]]

    def outcomes(self) -> Counter[tuple[str, str]]:
        return Counter((each["decision"], each["outcome"]) for each in self.entries() if each["kind"] == "outcome")

    def marks(self) -> dict[str, int]:
        query = select(nodes.c.node, nodes.c.mark)
        return self.database.reader.read(lambda c: {row.node: row.mark for row in c.execute(query)})


def _register(tx: Transaction, node: str) -> None:
    from remit.storage.node_sql import SqlNodes  # noqa: PLC0415 - only here

    SqlNodes(tx.connection).register(node, now=NOW, covered=0)


@pytest.fixture
def log(postgres_url: str, opened: Callable[[Path | str], Database]) -> Log:
    return Log(opened(postgres_url))


def test_only_its_own_open_calls_become_unknown(log: Log) -> None:
    log.decide(DEAD, "dec_1")
    log.decide(ALIVE, "dec_2")
    log.decide(DEAD, "dec_3")
    log.outcome("dec_3")
    log.decide(DEAD, "dec_4", pep="point")
    log.decide(None, "dec_5")
    assert log.settle() == 1
    assert log.outcomes() == {("dec_1", "outcome_unknown"): 1, ("dec_3", "ok"): 1, ("dec_4", "not_observed"): 1}
    assert log.marks().keys() == {ALIVE}


def test_it_is_settled_once(log: Log) -> None:
    log.decide(DEAD, "dec_1")
    assert [log.settle(), log.settle()] == [1, None]
    assert log.outcomes() == {("dec_1", "outcome_unknown"): 1}


def test_who_claims_it_later_is_the_one_who_settles(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.decide(DEAD, "dec_1")
    change, claims = log.database.writer.change, 0

    def overtaken(apply: Callable[[Transaction], Any]) -> Any:
        nonlocal claims
        claims += 1
        if claims == 2:  # after the first has claimed and read, another one claims, reads and settles
            monkeypatch.setattr(log.database.writer, "change", change)
            assert log.settle(settler="nod_other") == 1
        return change(apply)

    monkeypatch.setattr(log.database.writer, "change", overtaken)
    assert log.settle() is None
    assert log.outcomes() == {("dec_1", "outcome_unknown"): 1}


def test_who_gave_a_sign_of_life_is_let_be(log: Log) -> None:
    log.decide(DEAD, "dec_1")
    assert log.settle(seen=(5, 5)) is None
    assert log.outcomes() == {}
    assert log.settle(seen=(0, 0)) == 1
    assert [(each["what"], each["about"]) for each in log.entries() if each["kind"] == "incident"] == [
        ("node_given_up", DEAD)
    ]


def test_use_that_it_may_not_have_written_is_replayed_and_nobody_elses(log: Log) -> None:
    for node, decision in ((DEAD, "dec_1"), (ALIVE, "dec_2")):
        log.decide(node, decision)
        log.outcome(decision)
    log.settle()
    assert log.replayed == ["dec_1"]


def test_each_node_keeps_a_mark_of_its_own(log: Log) -> None:
    calls = OpenCalls()
    calls.note_open("dec_1")
    before = log.marks()[DEAD]
    log.decide(ALIVE, "dec_1")
    log.decide(DEAD, "dec_2")
    heartbeat(log.database.writer, recorder(ALIVE), calls, {}, lambda _tx: None, node=ALIVE)
    assert log.marks() == {ALIVE: 1, DEAD: before}
    calls.note_closed("dec_1")
    log.outcome("dec_1")
    heartbeat(log.database.writer, recorder(ALIVE), calls, {}, lambda _tx: None, node=ALIVE)
    assert log.marks()[ALIVE] == 5  # two decisions, a heartbeat and an outcome stand below
    assert {each["node"] for each in log.entries() if each["kind"] == "heartbeat"} == {ALIVE}
    assert log.database.reader.read(lambda connection: SqlLog(connection).mark(MARK)) == 0


def test_a_start_among_others_settles_only_what_names_no_node_and_that_once(log: Log) -> None:
    log.decide(None, "dec_1")
    log.decide(ALIVE, "dec_2")
    found = recover(log.database.writer, log.database.reader, recorder("nod_new"), shared=True)
    assert found.lost == 1
    log.decide(None, "dec_3")
    assert recover(log.database.writer, log.database.reader, recorder("nod_newer"), shared=True).lost == 0
    assert log.outcomes() == {("dec_1", "outcome_unknown"): 1}
