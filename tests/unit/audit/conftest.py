"""A real log in a real database file, driven by hand: what is recorded waits until `sequence` is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.audit.log import Log
from remit.audit.sequencer import Sequencer
from remit.audit.service import Recorder
from remit.audit.states import States
from remit.kernel.clock import FixedClock, Instant
from remit.keys.seal import KEY_BYTES, seal_bytes, unseal_bytes
from remit.keys.service import KeyRing
from remit.storage.database import Database, open_database
from remit.storage.model import Entry
from remit.storage.ports import Transaction

NOON = 1_795_521_600_000_000  # 2026-11-24T12:00:00Z


class TestProvider:
    """A key provider without a file."""

    def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
        return seal_bytes(bytes(KEY_BYTES), plaintext, aad)

    def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
        return unseal_bytes(bytes(KEY_BYTES), wrapped, aad)

    def health(self) -> str:
        return "a key of zeros"


class Ledger:
    """The log's parts around one database file."""

    def __init__(self, where: Path | str) -> None:
        self.where = where
        self.clock = FixedClock(NOON)
        self.open()

    def open(self) -> None:
        self.database: Database = open_database(self.where, clock=self.clock)
        if self.database.new:
            self.database.writer.change(self._first)
        self.keys = self.database.reader.read(lambda connection: KeyRing.open(connection, TestProvider()))
        self.database.feed.subscribe(self.keys.follow)
        self.recorder = Recorder(self.keys, self.clock, lambda: self.database.epoch)
        self.log = Log(self.database.reader, self.keys)
        self.states = States(self.keys, self.database.reader)
        self.database.writer.complete = self.states.complete
        self.database.writer.change(self.states.begin)
        self.sequencer = self.new_sequencer()

    def _first(self, tx: Transaction) -> None:
        KeyRing.create(tx, TestProvider(), now=Instant(NOON))

    def new_sequencer(self) -> Sequencer:
        return Sequencer(self.database.writer, self.database.reader, self.keys, self.clock)

    def owner(self, name: str) -> None:
        self.database.writer.change(lambda tx: self.keys.ensure_data_key(tx, name) and None)

    def record(self, *entries: Entry) -> None:
        """One bundle."""

        def apply(tx: Transaction) -> None:
            for entry in entries:
                tx.record(entry)

        self.database.writer.change(apply)

    def change(self, text: str) -> Entry:
        return self.recorder.entry("change", {"what": "test", "name": text})

    def grow(self, *sizes: int) -> None:
        """One bundle of each size, then a checkpoint over them all."""
        for number, size in enumerate(sizes):
            self.record(*[self.change(f"{number}-{slot}") for slot in range(size)])
        self.sequence()

    def sequence(self) -> int:
        total = 0
        while done := self.sequencer.run_once():
            total += done
        return total

    def note(self) -> str:
        note = self.log.checkpoint()
        assert note is not None
        return note

    def close(self) -> None:
        self.database.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "remit.db")
    yield made
    made.close()


@pytest.fixture
def either(where: Path | str) -> Iterator[Ledger]:
    """The same on SQLite and on PostgreSQL."""
    made = Ledger(where)
    yield made
    made.close()
