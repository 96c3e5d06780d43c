"""What an agent is told its call would get, where that hangs on what its run did: read from what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from remit.kernel.clock import Instant
from remit.policy.marks import marked, unmet
from remit.storage.database import Database
from remit.storage.model import Mark, Marked, Unmarked, Work

NOON = Instant(1_795_608_000_000_000)
FAR = Instant(NOON * 2)


def test_marks_are_read_as_the_writer_sees_them(tmp_path: Path, opened: Any) -> None:
    database: Database = opened(tmp_path / "remit.db")
    database.writer.submit(Work((), (Mark("seen", NOON, FAR), Unmarked("free", FAR)))).result(timeout=10)
    asked = (
        Marked("seen", NOON), Marked("seen", Instant(NOON + 1)), Marked("never", Instant(1)),
        Unmarked("free", FAR), Unmarked("seen", FAR),
    )  # fmt: skip

    def read(connection: Any) -> list[Any]:
        return [sorted(unmet(connection, (each,))) for each in asked] + [marked(connection, {"seen", "free"})]

    assert database.reader.read(read) == [[], ["seen"], ["never"], [], ["seen"], {"seen": NOON}]
