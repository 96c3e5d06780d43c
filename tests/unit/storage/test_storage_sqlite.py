"""The SQLite journal: what its probe proves."""

from __future__ import annotations

from pathlib import Path

from remit.storage.database import open_database
from remit.storage.sqlite import SqliteJournal


def test_a_probe_writes_to_the_disk_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    # A probe that wrote nothing would call a full disk well: calls would be taken again, to fail one by one.
    path = tmp_path / "remit.db"
    open_database(path).close()
    journal = SqliteJournal(path)
    try:
        log = path.with_name("remit.db-wal")
        epoch, before = journal.epoch(), log.stat().st_size
        journal.probe()
        assert log.stat().st_size > before
        assert journal.epoch() == epoch
    finally:
        journal.close()
