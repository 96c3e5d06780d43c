"""PostgreSQL goes away under a server whose agents call in a loop: refused, nothing forwarded, nothing lost."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import make_url
from tests.e2e.running import Home, upstream
from tests.fault import estate
from tests.fault.calls import Agent, Answer
from tests.fault.own_postgres import OwnPostgres, own_postgres
from tests.fault.record import Record, ledger, record
from tests.fault.serving import Server

PATIENCE = 30.0  # seconds: a hang is found, a slow machine is not
AGENTS = 2


@dataclass(frozen=True)
class Told:
    """One answer, when its question was sent and when it came (`time.monotonic`)."""

    note: str
    sent: float
    came: float
    answer: Answer


@dataclass
class Loop:
    """An agent that calls without a pause, in a thread, and keeps what it was told."""

    agent: Agent
    told: list[Told] = field(default_factory=list)
    error: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _more: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                note, sent = secrets.token_hex(8), time.monotonic()
                answer = self.agent.call("update_note", {"customer": "c-17", "note": note})
                with self._more:
                    self.told.append(Told(note, sent, time.monotonic(), answer))
                    self._more.notify_all()
        except Exception as error:  # noqa: BLE001 - raised again in the test's thread
            with self._more:
                self.error = error
                self._more.notify_all()

    def first(self, kind: str, since: float) -> Told:
        """Wait for the first answer of that kind that came after `since`."""

        def found() -> Told | None:
            if self.error is not None:
                raise self.error
            return next((each for each in self.told if each.came > since and each.answer.kind == kind), None)

        with self._more:
            self._more.wait_for(found, PATIENCE)
            told = found()
        assert told is not None, f"never {kind}; the last answer was {self.told[-1]}"
        return told

    def end(self) -> None:
        """Let it end after the call at hand."""
        self._stop.set()
        self._thread.join()


@dataclass
class Scene:
    """Everything running."""

    database: OwnPostgres
    server: Server
    loops: list[Loop]
    ledger: Path
    record: Record

    def first(self, kind: str, since: float) -> float:
        """Seconds from `since` until each agent had an answer of that kind: the longest."""
        return max(loop.first(kind, since).came for loop in self.loops) - since

    def told(self) -> list[Told]:
        """Every answer so far."""
        return [each for loop in self.loops for each in list(loop.told)]


@contextmanager
def scene(tmp_path: Path) -> Iterator[Scene]:
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    files, notes = tmp_path / "files", tmp_path / "crm.jsonl"
    with (
        own_postgres() as database,
        upstream("payments", tmp_path / "payments.jsonl") as payments,
        upstream("crm", notes) as crm,
        Server(home, ("--database", database.url)) as server,
    ):
        server.start()
        estate.register(server, files, payments=payments, crm=crm)
        key = estate.key_file(files, "support-bot")
        url = make_url(database.url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        log = record(url, home.keyfile)
        agents = [Agent(server.url, "support-bot", key, "answer-customers", "crm") for _ in range(AGENTS)]
        loops = [Loop(agent) for agent in agents]
        try:
            yield Scene(database, server, loops, notes, log)
        finally:
            for loop, agent in zip(loops, agents, strict=True):
                loop.end()
                agent.http.close()
            log.engine.dispose()


def check(it: Scene) -> dict[str, int]:
    """What was answered against the log, the ledger against the log, and an outcome for everything that left."""
    log, told = it.record, it.told()
    log.refresh()
    forwarded = log.forwarded()
    by_mac = {entry["arguments"]: one for one, entry in forwarded.items() if "arguments" in entry}

    def mac(note: str) -> str:
        return log.mac({"customer": "c-17", "note": note})

    lost = [each for each in told if each.answer.kind == "allowed" and mac(each.note) not in by_mac]
    assert not lost, f"{len(lost)} answers are lost, such as {lost[0]}"
    ran = [mac(arguments["note"]) for arguments in ledger(it.ledger)]
    assert set(ran) <= set(by_mac), "a call reached its server without a decision"
    refused = {mac(each.note) for each in told if each.answer.kind == "unavailable"}
    assert not refused & set(ran), "a call was refused and reached its server all the same"
    outcomes = {one: log.outcomes.get(one, []) for one in forwarded}
    wrong = {one: found for one, found in outcomes.items() if len(found) != 1}
    assert not wrong, f"decisions with no outcome, or several: {wrong}"
    assert all(outcomes[by_mac[each]][0] in {"not_sent", "outcome_unknown"} for each in refused & set(by_mac))
    return {"recorded but refused": len(refused & set(by_mac))}


@pytest.mark.parametrize(
    ("stop", "start"),
    [
        pytest.param(OwnPostgres.crash, OwnPostgres.start, id="crash"),
        pytest.param(OwnPostgres.hang, OwnPostgres.go_on, id="hang", marks=pytest.mark.slow),
    ],
)
def test_every_call_is_refused_until_it_is_back(
    stop: Callable[[OwnPostgres], None],
    start: Callable[[OwnPostgres], None],
    tmp_path: Path,
    postgres_server: str,
) -> None:
    with scene(tmp_path) as it:
        it.first("allowed", time.monotonic())
        gone = time.monotonic()
        stop(it.database)
        refused = it.first("unavailable", gone)
        settled = time.monotonic()
        for _ in range(50):
            settled += it.first("unavailable", settled)
        quiet = len(ledger(it.ledger))
        between = [each for each in it.told() if each.sent > gone + refused]
        assert {each.answer.kind for each in between} == {"unavailable"}
        assert all(each.answer.said["retryable"] for each in between)
        if stop is OwnPostgres.crash:  # a read of a database that hangs waits for it; only the writer is watched
            status, said = it.server.ask("POST", "/v1/freezes", {"kind": "agent", "name": "legacy-bot"})
            assert (status, said["code"]) == (503, "storage_unavailable")
        assert it.server.ask("GET", "/readyz")[0] == 503
        assert len(ledger(it.ledger)) == quiet, "a call was forwarded without a database"

        start(it.database)
        started = time.monotonic()
        back = it.first("allowed", started)
        assert it.server.ask("POST", "/v1/freezes", {"kind": "agent", "name": "legacy-bot"})[0] == 201
        assert it.server.remit("audit", "verify").code == 0
        for loop in it.loops:
            loop.end()
        assert it.server.end() == 0
        it.server.start()  # what could not be told while the database was gone is settled now
        found = check(it)
        verified = it.server.remit("audit", "verify")
        assert verified.code == 0, verified.out
        kinds = [each.answer.kind for each in it.told()]
        print(  # noqa: T201 - what was measured
            f"all agents refused {refused:.2f} s after it went, served {back:.2f} s after it was back; "
            f"{kinds.count('allowed')} calls allowed, {kinds.count('unavailable')} refused; {found}"
        )
