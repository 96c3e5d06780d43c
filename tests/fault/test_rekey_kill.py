"""kill -9 in the middle of a re-key, and again: the next start goes on by itself, and no call notices any of it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import insert
from tests.e2e.running import PATIENCE, Home, upstream
from tests.fault import estate
from tests.fault.calls import Agent
from tests.fault.serving import Server

from remit.keys.generations import data_key_place
from remit.keys.keyfile import KeyfileProvider
from remit.keys.seal import KEY_BYTES, seal
from remit.keys.service import KeyRing
from remit.storage.database import Database, open_database
from remit.storage.ports import Transaction
from remit.storage.schema import data_keys

KEYS = 40_000  # some seconds of work
KILLS = 2


@dataclass
class Calling:
    """An agent that calls all the time, and what it was answered."""

    agent: Agent
    answers: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                answer = self.agent.call("list_customers", {})
                self.answers[answer.kind] += 1
        except Exception as error:  # noqa: BLE001 - whatever it was, it is what the test is about
            self.failed.append(repr(error))

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)


def with_ring(home: Home, work: Callable[[Database, KeyRing], Any]) -> Any:
    """What `work` says of the database, while no server has it."""
    database = open_database(home.data / "remit.db")
    try:
        ring = database.reader.read(lambda c: KeyRing.open(c, KeyfileProvider.load(home.keyfile)))
        return work(database, ring)
    finally:
        database.close()


def filled(database: Database, ring: KeyRing) -> dict[str, bytes]:
    """Many data keys more; every key there is."""

    def apply(tx: Transaction) -> None:
        generation, wrapping = ring.roots.newest(tx.connection)
        rows = []
        for number in range(KEYS):
            owner = f"secret:s{number}"
            sealed = seal(wrapping, os.urandom(KEY_BYTES), aad=data_key_place(owner, 1, generation))
            rows.append({"owner": owner, "version": 1, "wrapped": sealed, "created": 0})
        tx.connection.execute(insert(data_keys), rows)

    database.writer.change(apply)
    return known(database, ring)


def known(database: Database, ring: KeyRing) -> dict[str, bytes]:
    """Every data key, and what is derived."""
    database.reader.read(ring.reload)
    return {owner: bytes(key) for owner, key in ring._data_keys.items()} | {"a label": ring.derive("a label")}


def status(server: Server) -> dict[str, Any]:
    code, said = server.ask("GET", "/v1/keys/root")
    assert code == 200, said
    found: dict[str, Any] = said
    return found


def until_less(server: Server, left: int) -> int:
    """Wait until fewer keys are left; how many."""
    until, pause = time.monotonic() + PATIENCE, threading.Event()
    while (now := status(server)["left"]) >= left:
        assert time.monotonic() < until, "it does not go on"
        pause.wait(0.02)
    return int(now)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_rekey_outlives_its_server(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    chance, files = random.Random(), tmp_path / "estate"
    ledgers = [tmp_path / name for name in ("payments.jsonl", "crm.jsonl")]
    with upstream("payments", ledgers[0]) as payments, upstream("crm", ledgers[1]) as crm, Server(home) as server:
        server.start()
        estate.register(server, files, payments=payments, crm=crm)
        kids = {row["kid"] for row in server.ask("GET", "/v1/keys")[1]["keys"] if row["use"] != "set"}
        assert server.end() == 0
        before = with_ring(home, filled)
        server.start()
        helper = Agent(server.url, "support-bot", estate.key_file(files, "support-bot"), "answer-customers", "crm")
        payer = Agent(server.url, "invoice-bot", estate.key_file(files, "invoice-bot"), "pay-invoices", "payments")
        with helper, payer:
            assert server.ask("POST", "/v1/keys/root/rekey", as_="dana")[1]["waits"] is True
            status_, said = server.ask("POST", "/v1/keys/root/rekey", as_="lee")
            assert (status_, said["keys"][0]["generation"]) == (200, 2)
            left, calls = KEYS, Counter[str]()
            for _ in range(KILLS):
                with Calling(helper) as calling:
                    left = until_less(server, left)
                    threading.Event().wait(chance.uniform(0, 0.3))
                assert not calling.failed
                calls += calling.answers
                assert server.end(signal.SIGKILL) == -signal.SIGKILL
                server.start()
                found = status(server)
                assert (found["under_way"], 0 < found["left"] <= left) == (True, True), found
            with Calling(helper) as calling:
                waited = server.remit("key", "rekey", "--wait", "--json")
            calls += calling.answers
            assert payer.call("list_invoices", {}).kind == "allowed", "its upstream wants the secret"
        assert (waited.code, waited.json["under_way"], waited.json["left"]) == (0, False, 0), waited
        assert [(row["generation"], row["state"]) for row in waited.json["roots"]] == [(2, "live"), (1, "retired")]
        assert set(calls) == {"allowed"}, calls
        assert {row["kid"] for row in server.ask("GET", "/v1/keys")[1]["keys"]} >= kids
        verified = server.remit("audit", "verify")
        assert verified.code == 0, verified.out
        assert server.end() == 0
        offline = server.remit("audit", "verify", "--data", str(home.data))
        assert offline.code == 0, offline.out
    assert with_ring(home, known) == before
    with sqlite3.connect(home.data / "remit.db") as database:
        rest = "SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL AND generation IS NOT 2"
        assert database.execute(rest).fetchone() == (0,)
        assert database.execute("SELECT wrapped FROM roots WHERE generation = 1").fetchone() == (None,)
