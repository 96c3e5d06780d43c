"""A process to be killed: eight threads write as fast as they can and note each answer they got.

Run as `python storm.py DATABASE ANSWERS`. Every line in ANSWERS was written after the answer
came, with one system call, so it survives the death of this process.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable

from sqlalchemy import insert

from remit.kernel.clock import DAY, Instant
from remit.kernel.names import new_id
from remit.storage.database import Database, open_database
from remit.storage.model import ConsumeProof, Entry, Reserve, Work
from remit.storage.ports import Transaction
from remit.storage.schema import meta

WRITERS = 8
LIMIT = 2**40
FAR = Instant(4_000_000_000_000_000)


def decide(database: Database, note: Callable[[str], None]) -> None:
    """Decisions with a proof and a reservation each."""
    for _ in itertools.count():
        name = new_id("dec")
        work = Work(
            (Entry(name, b'{"id":"' + name.encode() + b'"}', os.urandom(200)),),
            (ConsumeProof(f"proof:{name}", FAR), Reserve("budget", Instant(0), Instant(FAR + DAY), 1, LIMIT)),
        )
        committed = database.writer.submit(work).result()
        note(f"decision {name} {committed.used[0]}")


def change(database: Database, note: Callable[[str], None]) -> None:
    """Changes of state, with an entry and an epoch each."""

    def apply(tx: Transaction, name: str) -> None:
        tx.connection.execute(insert(meta).values(key=name, value="x"))
        tx.record(Entry(name, b'{"id":"' + name.encode() + b'"}'))
        tx.touch("freezes")

    for _ in itertools.count():
        name = new_id("chg")
        database.writer.change(lambda tx, name=name: apply(tx, name))  # type: ignore[misc]
        note(f"change {name} {database.epoch}")


def main() -> None:
    where, answers = sys.argv[1:]
    database = open_database(where)
    descriptor = os.open(answers, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(line: str) -> None:
        os.write(descriptor, f"{line}\n".encode())

    for number in range(WRITERS):
        threading.Thread(target=change if number == 0 else decide, args=(database, note)).start()
    print("ready", flush=True)  # noqa: T201 - the killer waits for it


if __name__ == "__main__":
    main()
