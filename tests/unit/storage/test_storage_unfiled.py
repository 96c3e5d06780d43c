"""Small commits in one row, and their filing."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from remit.audit.sql import SqlLog
from remit.kernel.clock import Instant
from remit.storage import bundle
from remit.storage.database import Database, open_database
from remit.storage.model import Committed, ConsumeProof, Entry, Work
from remit.storage.sqlite import SqliteJournal

FAR = Instant(4_000_000_000_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    open_database(tmp_path / "remit.db").close()
    return tmp_path / "remit.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(path)
    yield opened
    opened.close()


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def commit(journal: SqliteJournal, *ids: str, proofs: tuple[str, ...] = (), payload: bytes | None = b"p") -> set[str]:
    journal.begin(changes=False)
    fresh = journal.consume(dict.fromkeys(proofs, int(FAR))) if proofs else set()
    journal.store(ids, bundle.compress(bundle.pack([name.encode() for name in ids])), payload)
    journal.commit()
    return fresh


def filed(path: Path) -> tuple[object, ...]:
    return (
        rows(path, "SELECT entry, bundle, slot FROM entries ORDER BY bundle, slot"),
        rows(path, "SELECT bundle, sealed FROM payloads ORDER BY bundle"),
        rows(path, "SELECT key FROM proofs ORDER BY key"),
        rows(path, "SELECT count(*) FROM bundles WHERE sealed IS NOT NULL OR unfiled IS NOT NULL"),
    )


WHOLE = ([("dec_1", 1, 0), ("out_0", 1, 1), ("dec_2", 2, 0)], [(1, b"p"), (2, b"p")], [("a",), ("b",)], [(0,)])


def test_a_small_commit_writes_one_row_and_nothing_else(journal: SqliteJournal, path: Path) -> None:
    assert commit(journal, "dec_1", "out_0", proofs=("a",)) == {"a"}
    assert filed(path) == ([], [], [], [(1,)])


def filing(journal: SqliteJournal) -> None:
    journal.rest(idle=True)


def change(journal: SqliteJournal) -> None:
    journal.begin(changes=True)
    journal.commit()


@pytest.mark.parametrize("occasion", [filing, change])
def test_what_was_left_is_filed_at_rest_and_before_a_change(
    journal: SqliteJournal, path: Path, occasion: Callable[[SqliteJournal], None]
) -> None:
    commit(journal, "dec_1", "out_0", proofs=("a",))
    commit(journal, "dec_2", proofs=("b",))
    occasion(journal)
    assert filed(path) == WHOLE
    occasion(journal)
    assert filed(path) == WHOLE


def test_a_large_commit_files_what_was_left(journal: SqliteJournal, path: Path) -> None:
    commit(journal, "dec_1", "out_0", proofs=("a",))
    commit(journal, "dec_2", proofs=("b",))
    commit(journal, *(f"dec_9{number}" for number in range(20)), proofs=tuple(f"c{number}" for number in range(20)))
    entries, payloads, proofs, left = filed(path)
    assert isinstance(entries, list)
    assert isinstance(payloads, list)
    assert isinstance(proofs, list)
    assert (entries[:3], payloads[:2], proofs[:2], left) == WHOLE
    assert (len(entries), len(payloads), len(proofs)) == (23, 3, 22)


def test_so_many_are_filed_without_an_occasion(journal: SqliteJournal, path: Path) -> None:
    for number in range(70):
        commit(journal, f"dec_{number:03}", payload=None)
        journal.rest(idle=False)
    assert rows(path, "SELECT count(*) FROM entries") == [(64,)]


def test_what_was_not_filed_before_a_crash_is_filed_when_the_database_is_opened(path: Path) -> None:
    dead = SqliteJournal(path)
    commit(dead, "dec_1", "out_0", proofs=("a",))
    commit(dead, "dec_2", proofs=("b",))
    dead._raw.close()  # as a kill leaves it: nothing is said goodbye to
    assert filed(path)[3] == [(2,)]
    again = SqliteJournal(path)
    assert filed(path) == WHOLE
    assert commit(again, "dec_3", proofs=("a", "c")) == {"c"}, "a proof was used twice"
    again.close()
    dead._keeper.stop()


def test_a_proof_is_used_once_filed_or_not(journal: SqliteJournal) -> None:
    assert commit(journal, "dec_1", proofs=("a",)) == {"a"}
    assert commit(journal, "dec_2", proofs=("a", "b")) == {"b"}
    journal.rest(idle=True)
    assert commit(journal, "dec_3", proofs=("a", "b", "c")) == {"c"}
    many = tuple(f"m{number}" for number in range(20))
    assert commit(journal, "dec_4", proofs=(*many, "c")) == set(many), "among many, one was used that is not filed yet"
    assert commit(journal, "dec_5", proofs=(*many, "c", "n")) == {"n"}
    assert commit(journal, "dec_6", proofs=("m3",)) == set()


def test_what_is_rolled_back_was_not_used(journal: SqliteJournal, path: Path) -> None:
    commit(journal, "dec_1", "out_0", proofs=("a",))
    journal.begin(changes=True)
    journal.consume({"b": int(FAR)})
    journal.rollback()
    assert filed(path)[3] == [(1,)], "the filing was rolled back too"
    assert commit(journal, "dec_2", proofs=("b",)) == {"b"}
    journal.rest(idle=True)
    assert filed(path) == WHOLE


def test_a_proof_without_an_entry_is_kept_all_the_same(journal: SqliteJournal, path: Path) -> None:
    journal.begin(changes=False)
    assert journal.consume({"a": int(FAR)}) == {"a"}
    journal.commit()
    assert rows(path, "SELECT key FROM proofs") == [("a",)]
    assert commit(journal, "dec_1", proofs=("a",)) == set()


def test_an_id_is_recorded_once_filed_or_not(journal: SqliteJournal) -> None:
    commit(journal, "dec_5")
    assert journal.recorded(["dec_5", "dec_6"]) == {"dec_5"}
    for ids in (("dec_5",), ("dec_7", "dec_7"), ("dec_5", "dec_8")):
        with pytest.raises(sqlite3.IntegrityError):
            commit(journal, *ids)
        journal.rollback()
    journal.rest(idle=True)
    assert journal.recorded(["dec_5", "dec_6"]) == {"dec_5"}
    with pytest.raises(sqlite3.IntegrityError):
        commit(journal, "dec_5")
    journal.rollback()
    commit(journal, "dec_4")  # older than what is recorded, and new all the same


def test_an_id_of_a_large_commit_is_not_recorded_again(journal: SqliteJournal) -> None:
    commit(journal, "dec_10")
    commit(journal, *(f"dec_{number}" for number in range(20, 60)))
    with pytest.raises(sqlite3.IntegrityError):
        commit(journal, "dec_59")
    journal.rollback()
    commit(journal, "dec_60")
    journal.rest(idle=True)
    assert journal.recorded(["dec_59", "dec_60", "dec_61"]) == {"dec_59", "dec_60"}


def test_an_id_of_an_earlier_run_is_not_recorded_again(path: Path) -> None:
    before = SqliteJournal(path)
    commit(before, "dec_5")
    commit(before, "dec_7")
    before.close()
    journal = SqliteJournal(path)
    try:
        for ids in (("dec_5",), ("dec_6", "dec_7")):
            with pytest.raises(sqlite3.IntegrityError):
                commit(journal, *ids)
            journal.rollback()
        commit(journal, "dec_6")
        with pytest.raises(sqlite3.IntegrityError):
            commit(journal, "dec_7")
        journal.rollback()
        commit(journal, "dec_8", "out_1")
        assert journal.recorded(["dec_6", "dec_7", "dec_8", "out_1"]) == {"dec_6", "dec_7", "dec_8", "out_1"}
    finally:
        journal.close()


def test_rows_that_somebody_else_put_there_do_not_hold_the_writer_up(journal: SqliteJournal, path: Path) -> None:
    commit(journal, "dec_1", "out_0", proofs=("a",))
    commit(journal, "dec_2", proofs=("b",))
    database = sqlite3.connect(path)
    database.execute("INSERT INTO entries VALUES ('dec_1', 9, 9)")
    database.execute("INSERT INTO payloads VALUES (2, 'forged')")
    database.commit()
    database.close()
    journal.rest(idle=True)
    assert rows(path, "SELECT bundle FROM entries WHERE entry = 'dec_1'") == [(9,)]
    assert filed(path)[2:] == WHOLE[2:]
    assert commit(journal, "dec_3", proofs=("a", "c")) == {"c"}


def test_the_log_is_read_whole_whether_it_is_filed_or_not(tmp_path: Path) -> None:
    database: Database = open_database(tmp_path / "remit.db")
    try:
        work = Work((Entry("dec_1", b"one", b"sealed"), Entry("out_1", b"two")), (ConsumeProof("a", FAR),))
        assert database.writer.submit(work).result() == Committed(None)

        def seen() -> tuple[object, ...]:
            def read(connection: object) -> tuple[object, ...]:
                log = SqlLog(connection)  # type: ignore[arg-type]
                found = (log.place_of("dec_1"), log.place_of("out_1"), log.place_of("dec_2"))
                return *found, log.places_of(["out_1", "dec_2"]), log.payloads(1), log.waiting_entries()

            return database.reader.read(read)

        before = seen()
        database.writer.change(lambda _: None)
        assert before == seen() == ((1, 0), (1, 1), None, {"out_1": 1}, bundle.pack([b"sealed", b""]), 2)
    finally:
        database.close()
