"""A withdrawal through real HTTP and a real database: the system lies, is down, is told again, and believed last."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from rights_server import Answer, Rights, serving  # type: ignore[import-not-found] # beside
from sqlalchemy import insert

from remit.catalog.injection import Injection
from remit.certification.withdrawal.cascade import Cascade
from remit.certification.withdrawal.own import NoDelegation
from remit.certification.withdrawal.ports import Found, Standing
from remit.certification.withdrawal.sql import SqlWithdrawals
from remit.certification.withdrawal.withdraw import Step, Withdrawal
from remit.certification.withdrawal.withdrawing import Withdrawing
from remit.connectors import systems
from remit.connectors.system import declared
from remit.connectors.system_http import HttpSystems
from remit.connectors.systems import Directory
from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import HOUR, MINUTE, SECOND, FixedClock, Instant
from remit.kernel.names import new_id
from remit.outbound.session import Outbound
from remit.storage.database import Database
from remit.storage.model import Entry
from remit.storage.schema import runs

NOON = Instant(1_795_521_600_000_000)
RIGHTS = {("bot", "work", "crm/read"), ("bot", "work", "crm/write"), ("else", "work", "crm/read")}


class Records:
    """Entries that are kept where the test can see them too."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def entry(self, kind: str, fields: Any, **_: Any) -> Entry:
        header = canonical({"kind": kind, **fields})
        self.said.append(parse(header))
        return Entry(new_id("ent"), header)


class NoSecret:
    """No system here has a credential."""

    def header(self, injection: Injection, _url: str) -> tuple[str, str]:
        raise AssertionError(injection)

    def echoes(self, _chunk: bytes) -> bool:
        return False


class Node:
    """One server process, as far as a withdrawal goes."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop, clock: FixedClock) -> None:
        self.database, self.loop, self.clock, self.records = database, loop, clock, Records()
        directory, self.outbound = Directory(), Outbound()
        database.reader.read(directory.reload)
        self.outbound.allow = frozenset(directory.endpoints())
        http = HttpSystems(
            directory=directory, dialer=self.outbound, credentials=NoSecret(), loop=lambda: loop, seconds=5.0
        )  # fmt: skip
        cascade = Cascade(
            reader=database.reader, records=self.records, clock=clock, stands=self, brokered=self,
            children=NoDelegation(), systems=http,
        )  # fmt: skip
        self.withdrawing = Withdrawing(
            writer=database.writer, reader=database.reader, records=self.records, clock=clock, cascade=cascade,
            aside=lambda work: work(),
        )  # fmt: skip

    def standing(self, _agent: str) -> Standing:
        return Standing(usable={}, left=frozenset())

    def end(self, _withdrawal: Withdrawal) -> Found:
        return Found(0, "none")

    def begin(self) -> None:
        for action in ("crm/read", "crm/write"):
            what = {"purpose": "work", "action": action, "scope": "crm"}
            self.database.writer.change(
                lambda tx, what=what: self.withdrawing.begin(tx, agent="bot", cause="agent_retired", what=what)  # type: ignore[misc] # the default
            )

    def on(self, micros: int = 0) -> Withdrawal:
        self.clock.at += micros
        self.withdrawing.tick()
        (found,) = self.database.reader.read(
            lambda c: SqlWithdrawals(c).listing(agent="bot", unfinished=False, most=9)
        )  # fmt: skip
        return found

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.outbound.close(), self.loop).result(5)

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.records.said if each["kind"] == kind]


@pytest.fixture
def rights() -> Iterator[Rights]:
    with serving(Rights(held=set(RIGHTS))) as served:
        yield served


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def prepared(database: Database, url: str) -> None:
    system = declared("crm", url=url, servers=["crm"])
    row = {
        "run": "run_1", "agent": "bot", "instance": "i", "purpose": "work", "opened": NOON - MINUTE,
        "ends": NOON + HOUR, "token_expires": NOON + MINUTE,
    }  # fmt: skip

    def write(tx: Any) -> None:
        systems.add(tx, system)
        tx.connection.execute(insert(runs), [row])

    database.writer.change(write)


def test_it_lies_for_an_hour_and_is_not_believed(
    any_database: Database, rights: Rights, loop: asyncio.AbstractEventLoop
) -> None:
    prepared(any_database, rights.url)
    node = Node(any_database, loop, FixedClock(NOON))
    rights.lies = True
    node.begin()
    found = node.on()
    while node.clock.at < NOON + HOUR:
        assert (found.step, found.confirmed) == (Step.CONFIRM, None)
        found = node.on(max(SECOND, found.due - node.clock.at))
    (incident,) = node.said("incident")
    assert (incident["what"], incident["told"]) == ("withdrawal_unconfirmed", "still there: crm")
    assert rights.held == RIGHTS
    assert {each["withdrawal"] for each in rights.posted} == {found.id}, "one request, however often it is told"
    rights.lies = False
    assert node.on(HOUR).confirmed == node.clock.at, "told again, and read once more at once"
    assert rights.held == {("else", "work", "crm/read")}
    node.close()


def test_it_answers_garbage_is_down_and_remit_starts_anew_meanwhile(
    any_database: Database, rights: Rights, loop: asyncio.AbstractEventLoop
) -> None:
    prepared(any_database, rights.url)
    clock = FixedClock(NOON)
    node = Node(any_database, loop, clock)
    rights.instead = lambda _method: Answer(503, b"<html>down</html>")
    node.begin()
    found = node.on()
    assert (found.step, found.did[-1].told) == (Step.SYSTEMS, "crm: it answered 503")
    node.close()

    again = Node(any_database, loop, clock)
    rights.instead = lambda method: Answer(200, b"<html>fine</html>") if method == "GET" else None
    found = again.on(MINUTE)
    assert (found.step, found.did[-1].told) == (Step.CONFIRM, "no clear answer: crm")
    assert rights.held == {("else", "work", "crm/read")}
    again.close()

    third = Node(any_database, loop, clock)
    rights.instead = lambda _method: None
    found = third.on(MINUTE)
    assert found.confirmed == clock.at
    assert len(rights.posted) == 2, "what was told once is only read again"
    said = [each["step"] for one in (node, again, third) for each in one.said("withdrawal")]
    assert said == [
        "decision", "tokens", "brokered", "children", "systems", "systems", "confirm", "confirm",
    ]  # fmt: skip
    third.close()
