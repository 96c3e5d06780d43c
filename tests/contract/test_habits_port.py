"""How sources speak, in both databases: a row each, replaced as a whole."""

from __future__ import annotations

from remit.certification.usage.silence_sql import Habit, SqlHabits
from remit.kernel.clock import DAY, Instant
from remit.storage.database import Database


def test_a_habit_is_kept_and_replaced(any_database: Database) -> None:
    def put(source: str, habit: Habit) -> None:
        any_database.writer.change(lambda tx: SqlHabits(tx.connection).put(source, habit))

    def of(source: str) -> Habit:
        return any_database.reader.read(lambda connection: SqlHabits(connection).of(source))

    assert of("src") == Habit()
    long = Habit(tuple((20_000 + day, 35 * DAY) for day in range(60)), Instant(2**53))
    put("src", Habit(((20_000, 5),)))
    put("other", Habit())
    put("src", long)
    assert of("src") == long
    assert of("other") == Habit()
