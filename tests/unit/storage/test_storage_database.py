from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from remit.kernel.clock import HOUR, FixedClock, Instant
from remit.kernel.errors import ConfigInvalid, Conflict, StorageUnavailable
from remit.storage import sqlite
from remit.storage.database import Database, open_database
from remit.storage.lock import FileLock
from remit.storage.model import ConsumeProof, Entry, Release, Reserve, Work
from remit.storage.schema import counters, proofs
from remit.storage.sweep import Sweeper


def test_only_the_owner_may_read_any_of_the_files(tmp_path: Path, database: Database) -> None:
    database.writer.change(lambda tx: tx.touch("freezes"))
    files = [path for path in tmp_path.iterdir() if path.name.startswith("remit.db")]
    assert {path.name for path in files} == {"remit.db", "remit.db-shm", "remit.db-wal", "remit.db.lock"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_link_in_place_of_the_file_is_not_followed_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "remit.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StorageUnavailable):
        open_database(tmp_path / "remit.db")
    assert not (tmp_path / "elsewhere.db").exists()


def test_the_settings_that_durability_stands_on(tmp_path: Path, database: Database) -> None:
    connection = sqlite.connect(tmp_path / "remit.db")
    try:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "wal_autocheckpoint")
        }
    finally:
        connection.close()
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "wal_autocheckpoint": 0,
    }


def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path, database: Database) -> None:
    with pytest.raises(Conflict, match="another Remit server") as refused:
        open_database(tmp_path / "remit.db")
    assert "process" in refused.value.detail
    program = f"from remit.storage.database import open_database; open_database({str(tmp_path / 'remit.db')!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert "another Remit server" in done.stderr


def test_the_lock_is_free_again_after_a_close(tmp_path: Path, opened: Callable[[Path | str], Database]) -> None:
    opened(tmp_path / "remit.db").close()
    lock = FileLock(tmp_path / "remit.db")
    lock.release()
    assert opened(tmp_path / "remit.db").new is False


def test_a_start_that_was_cut_off_counts_as_new(tmp_path: Path, opened: Callable[[Path | str], Database]) -> None:
    (tmp_path / "remit.db").touch(mode=0o600)
    assert opened(tmp_path / "remit.db").new is True


def test_what_is_no_database_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "remit.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(StorageUnavailable):
        open_database(tmp_path / "remit.db")
    with pytest.raises(StorageUnavailable):
        open_database(tmp_path / "no" / "such" / "folder.db")


def test_an_unknown_kind_of_database_is_refused() -> None:
    for url in ("mysql://root@localhost/remit", "postgresql://host:port:port/x"):
        with pytest.raises(ConfigInvalid):
            open_database(url)


def test_a_postgresql_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StorageUnavailable) as refused:
        open_database("postgresql://u:very-secret@127.0.0.1:1/remit")
    assert "very-secret" not in refused.value.detail


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigInvalid) as refused:
        open_database("postgresql://localhost/remit")
    assert refused.value.try_ == "pip install 'remit[postgres]'"


def test_contact_is_kept_while_nothing_happens(database: Database, tmp_path: Path) -> None:
    before = database.last_contact
    database.writer._between(idle=True)
    assert database.last_contact > before
    assert database.healthy


def test_expired_proofs_and_counters_go_a_few_at_a_time(where: Path | str) -> None:
    database = open_database(where, clock=FixedClock(0))
    hours = [Instant(n * HOUR) for n in range(10)]
    seen = [ConsumeProof(f"p{at:012}", at) for at in hours]
    spent = [Reserve(f"c{at:012}", Instant(0), at, 1, 1) for at in hours]
    try:
        database.writer.submit(Work((), (*seen, *spent))).result(timeout=10)
        sweeper = Sweeper()
        steps = [
            database.writer.change(lambda tx: sweeper.sweep(tx.connection, now=6 * HOUR, rows=4)) for _ in range(4)
        ]
        # Six of each had expired at least a minute before. The fourth step starts from the beginning again.
        assert steps == [8, 4, 0, 0]
        left = select(func.min(proofs.c.expires), func.count()), select(func.min(counters.c.expires), func.count())
        assert database.reader.read(lambda c: [tuple(c.execute(query).one()) for query in left]) == [(6 * HOUR, 4)] * 2
    finally:
        database.close()


def test_the_writer_sweeps_by_its_own_clock(tmp_path: Path) -> None:
    clock = FixedClock(HOUR)
    database = open_database(tmp_path / "remit.db", clock=clock)
    try:
        database.writer.submit(Work((), (ConsumeProof("old", Instant(2 * HOUR)),))).result(timeout=10)
        database.writer.change(lambda _: None)  # the first batch's housekeeping is over
        clock.at = 3 * HOUR
        database.writer._next_sweep = 0.0  # as if its second had passed
        database.writer.submit(Work((), (Release("x", Instant(0), 1),))).result(timeout=10)
        database.close()
        with sqlite3.connect(tmp_path / "remit.db") as connection:
            assert connection.execute("SELECT count(*) FROM proofs").fetchone() == (0,)
        connection.close()
    finally:
        database.close()


def test_the_write_ahead_log_is_moved_while_commits_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[Path | str], Database]
) -> None:
    monkeypatch.setattr(sqlite, "_MOVE_BYTES", 1 << 20)
    database = opened(tmp_path / "remit.db")
    log = tmp_path / "remit.db-wal"
    for number in range(400):
        database.writer.submit(Work((Entry(f"dec_{number}", b"h", bytes(40_000)),))).result(timeout=10)
    assert log.stat().st_size < 12 << 20  # 16 MB were written
