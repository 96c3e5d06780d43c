"""A log of decisions as the gateway leaves it, made quickly: sealed, in commits of a few hundred, placed and signed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remit.audit.indexing import Indexing
from remit.audit.recovery import MARK
from remit.audit.sequencer import Sequencer
from remit.audit.service import Recorder
from remit.audit.sql import SqlLog
from remit.kernel.clock import DAY, Instant, SystemClock
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.storage.database import open_database
from remit.storage.model import Committed, Entry, Work

DAYS: Final = 90
AGENTS: Final = 1000  # that decide
_EACH: Final = 256  # decisions in a commit, with their outcomes
_AHEAD: Final = 8  # commits in flight
_RUN: Final = 500  # decisions in a run
_PAYLOAD: Final[dict[str, Any]] = {
    "arguments": '{"amount":199.50,"currency":"EUR","to":"DE89"}', "facts": {}, "named": [], "engine": "cedarpy",
}  # fmt: skip
_DENIAL: Final[dict[str, Any]] = {
    "title": "An argument is outside what the boundary allows", "cause": None, "state": None, "retry_after": None,
    "violations": [], "remedies": [],
}  # fmt: skip


@dataclass(slots=True)
class Then:
    """A clock that is set."""

    at: Instant

    def now(self) -> Instant:
        """What it was set to."""
        return self.at


def write(data: Path, keyfile: Path, *, decisions: int) -> None:
    """So many decisions over the last days, one in ten refused, each with its outcome; the newest is of now."""
    database = open_database(data / "remit.db")
    provider = KeyfileProvider.load(keyfile)
    keys = database.reader.read(lambda connection: KeyRing.open(connection, provider))
    database.feed.subscribe(keys.follow)
    about = [f"agent:agent-{number}" for number in range(AGENTS)]
    database.writer.change(lambda tx: [keys.ensure_data_key(tx, each) for each in about])
    clock = Then(SystemClock().now())
    make, flying = Recorder(keys, clock, lambda: database.epoch), list[Future[Committed]]()
    for work in _works(make, clock, decisions):
        flying.append(database.writer.submit(work))
        if len(flying) == _AHEAD:
            flying.pop(0).result()
    for each in flying:
        each.result()
    # As a heartbeat has it: every call so far has its outcome, and every use was counted.
    database.writer.change(lambda tx: SqlLog(tx.connection).set_mark(MARK, SqlLog(tx.connection).newest_bundle() + 1))
    sequencer = Sequencer(database.writer, database.reader, keys, SystemClock())
    while sequencer.run_once():
        pass
    indexing = Indexing(database.writer, database.reader)
    while indexing.step():
        pass
    database.close()


def _works(make: Recorder, clock: Then, decisions: int) -> Iterator[Work]:
    end, step = clock.at, DAYS * DAY // decisions
    for first in range(0, decisions, _EACH):
        entries: list[Entry] = []
        for number in range(first, min(first + _EACH, decisions)):
            clock.at = Instant(end - (decisions - number) * step)
            entries += _decided(make, number)
        yield Work(tuple(entries))


def _decided(make: Recorder, number: int) -> list[Entry]:
    at, allowed, purpose = number % AGENTS, number % 10 != 3, number // 7 % 10
    agent, server = f"agent-{at}", f"server-{purpose}"
    shared = {"agent": agent, "action": f"{server}/transfer", "purpose": f"purpose-{purpose}"}
    said = {"decision": "allow"} if allowed else {"decision": "deny", "code": "constraint_violated", "step": 8}
    fields = {
        **shared, **said, "server": server, "boundary": f"{agent}-{purpose}", "boundary_version": 1,
        "instance": f"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRG{at:04}", "run": f"run_01jd3k9ab{number // _RUN:017}",
        "arguments": f"{number:064x}", "policies": "0" * 64, "forwarded": allowed,
    }  # fmt: skip
    payload = _PAYLOAD if allowed else {**_PAYLOAD, "denial": _DENIAL}
    decision = make.entry("decision", fields, about=f"agent:{agent}", payload=payload)
    if not allowed:
        return [decision]
    outcome = {**shared, "decision": decision.id, "outcome": "ok"}
    return [decision, make.entry("outcome", outcome)]
