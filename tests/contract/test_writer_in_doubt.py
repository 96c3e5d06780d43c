"""What may be recorded already can be handed in again, on memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from tests.contract.ids import entry_ids

from remit.kernel.clock import Instant
from remit.kernel.errors import InDoubt, StorageUnavailable
from remit.storage import commit
from remit.storage import writer as writing
from remit.storage.database import Database
from remit.storage.journal import Journal
from remit.storage.memory import MemoryWriter
from remit.storage.model import Committed, Entry, Reserve, Work
from remit.storage.ports import Transaction, Writer

BUDGET = Reserve("budget", Instant(0), Instant(2**52), 1, 9)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def writer(
    request: pytest.FixtureRequest, tmp_path: Path, opened: Callable[[Path | str], Database]
) -> tuple[Writer, Callable[[], list[str]]]:
    """A writer, and the ids of what it recorded."""
    if request.param == "memory":
        memory = MemoryWriter()
        return memory, lambda: [entry.id for entry in memory.entries]
    where = tmp_path / "remit.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = opened(where)
    return database.writer, lambda: database.reader.read(entry_ids)


def work(name: str, *, unless: str | None = None, given: str | None = None, effects: tuple[Reserve, ...] = ()) -> Work:
    return Work((Entry(name, b"header"),), effects, unless=unless, given=given)


def test_what_is_recorded_is_not_recorded_again(writer: tuple[Writer, Callable[[], list[str]]]) -> None:
    submit, recorded = writer[0].submit, writer[1]
    assert submit(work("out_1", unless="out_1", effects=(BUDGET,))).result() == Committed(None, (1,))
    assert submit(work("out_1", unless="out_1", effects=(BUDGET,))).result() == Committed(None)
    assert recorded() == ["out_1"]
    assert submit(work("out_2", effects=(BUDGET,))).result() == Committed(None, (2,)), "it was counted twice"


def test_what_depends_on_an_entry_is_recorded_only_with_it(writer: tuple[Writer, Callable[[], list[str]]]) -> None:
    submit, recorded = writer[0].submit, writer[1]
    assert submit(work("out_1", unless="out_1", given="dec_1")).result() == Committed(None)
    assert recorded() == []
    submit(work("dec_1")).result()
    submit(work("out_1", unless="out_1", given="dec_1")).result()
    assert sorted(recorded()) == ["dec_1", "out_1"]


def test_works_of_one_batch_are_answered_in_their_places(any_database: Database) -> None:
    submit = any_database.writer.submit
    submit(work("dec_1")).result()
    mixed = [work("a", effects=(BUDGET,)), work("dec_1", unless="dec_1"), work("b", effects=(BUDGET,))]
    futures = any_database.writer.change(lambda _: [submit(each) for each in mixed])
    assert [future.result().used for future in futures] == [(1,), (), (2,)]


def test_a_commit_that_fails_leaves_doubt(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = any_database.writer._journal
    assert journal is not None
    commit = journal.commit

    def commits_and_fails() -> None:
        commit()
        raise OSError("the connection was cut")

    def gone() -> Journal:
        raise OSError("the database is gone")

    monkeypatch.setattr(journal, "commit", commits_and_fails)
    monkeypatch.setattr(any_database.writer, "_open_journal", gone)
    with pytest.raises(InDoubt):
        any_database.writer.submit(work("dec_1")).result()
    with pytest.raises(StorageUnavailable) as refused:  # what was never handed to the database is in no doubt
        any_database.writer.submit(work("dec_2")).result()
    assert not isinstance(refused.value, InDoubt)


def test_a_change_that_the_database_holds_up_holds_no_call_up(
    postgres_url: str, opened: Callable[[Path | str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = opened(postgres_url)
    for module in (commit, writing):  # as a server has it; `tests/conftest.py` gives other tests more
        monkeypatch.setattr(module, "STAGE_SECONDS", 1.0)
    waiting: list[Future[Committed]] = []
    with psycopg.connect(postgres_url, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_lock(1)")

        def held_up(tx: Transaction) -> None:
            waiting.append(database.writer.submit(work("dec_1")))
            tx.connection.execute(text("SELECT pg_advisory_lock(1)"))

        changing = pool.submit(database.writer.change, held_up)
        with pytest.raises(InDoubt):
            changing.result(timeout=20)  # long before a change may not run any more
        with pytest.raises(StorageUnavailable):
            waiting[0].result(timeout=20)
        other.execute("SELECT pg_advisory_unlock(1)")
