"""What is told to be used of a rate or a budget: what the writer's counters hold, whichever node counted."""

from __future__ import annotations

from remit.kernel.clock import Instant
from remit.policy.counts import held
from remit.storage.database import Database
from remit.storage.model import Release, Reserve, Work

NOON = Instant(1_795_608_000_000_000)
FAR = Instant(NOON * 2)
LATER = Instant(NOON + 60_000_000)


def test_counters_are_read_as_the_writer_keeps_them(any_database: Database) -> None:
    database = any_database

    def submit(*effects: Reserve | Release) -> None:
        database.writer.submit(Work((), effects)).result(timeout=10)

    submit(Reserve("rate", NOON, FAR, 3, 10), Reserve("sum", NOON, FAR, 500, 1000))
    submit(Reserve("rate", NOON, FAR, 4, 10), Reserve("sum", LATER, FAR, 7, 1000))
    submit(Reserve("rate", NOON, FAR, 4, 10))  # does not fit, and counts for nothing
    submit(Release("sum", NOON, 100))
    asked = [("rate", NOON), ("rate", LATER), ("sum", NOON), ("sum", LATER), ("never", NOON)]
    found = {("rate", NOON): 7, ("sum", NOON): 400, ("sum", LATER): 7}
    assert database.reader.read(lambda connection: held(connection, asked)) == found
    one = [("sum", LATER)]
    assert database.reader.read(lambda connection: held(connection, one)) == {("sum", LATER): 7}, "no other window"
    # More than one statement takes: those that there are still come out.
    many = [*((f"other {at}", NOON) for at in range(2500)), *asked, *((f"more {at}", NOON) for at in range(500))]
    assert database.reader.read(lambda connection: held(connection, many)) == found
    assert database.reader.read(lambda connection: held(connection, [])) == {}
