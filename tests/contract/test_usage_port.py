"""Usage in both databases: events once, days that add up in any order, windows and numbers as sets."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from remit.access.activation import ActivationKey
from remit.certification.usage.days import DayKey, UseDay, added_up
from remit.certification.usage.model import Kind, UsageEvent
from remit.certification.usage.sql import Source, SqlUsage, SqlUseDays
from remit.certification.usage.windows import Stretch, Windows, windows
from remit.certification.usage.windows_sql import SqlWindows
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.storage.database import Database
from remit.storage.governance_schema import usage_events, use_days

KEY = ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("s/t"), "s")
SRC = Source("src", ("s", "t"), 0, Instant(5))


def write(database: Database, act: Callable[[Any], Any]) -> Any:
    return database.writer.change(lambda tx: act(tx.connection))


def event(id_: str, at: int = 7, **more: Any) -> UsageEvent:
    return UsageEvent("src", id_, Instant(at), Kind.USE, "bot", "", "s/t", **more)


def row(day: int, uses: int, denied: int, first: int, last: int, source: str = "src") -> UseDay:
    return UseDay(DayKey(*KEY, day, source), uses, denied, 0, first, last)


def test_sources_are_kept_and_replaced(any_database: Database) -> None:
    read = any_database.reader.read
    assert read(lambda c: SqlUsage(c).sources()) == []
    write(any_database, lambda c: SqlUsage(c).put(SRC))
    write(any_database, lambda c: SqlUsage(c).put(SRC._replace(source="a")))
    write(any_database, lambda c: SqlUsage(c).put(SRC._replace(batch=4, servers=("s",))))
    assert [each.source for each in read(lambda c: SqlUsage(c).sources())] == ["a", "src"]
    assert read(lambda c: SqlUsage(c).source("src")) == SRC._replace(batch=4, servers=("s",))
    assert read(lambda c: SqlUsage(c).source("no")) is None


def test_an_event_is_kept_once_as_it_came_first(any_database: Database) -> None:
    one, two = event("a", body='{"x":1}'), event("b", 3, run="r")
    write(any_database, lambda c: SqlUsage(c).append(1, [one]))
    write(any_database, lambda c: SqlUsage(c).append(2, [one._replace(at=Instant(99)), two]))
    read = any_database.reader.read
    assert read(lambda c: SqlUsage(c).stored("src", ["a", "b", "c", "a"])) == {"a": one, "b": two}
    assert read(lambda c: SqlUsage(c).stored("other", ["a"])) == {}
    assert read(lambda c: SqlUsage(c).events_of("bot")) == [two, one]
    assert read(lambda c: SqlUsage(c).events_of("bot", {"src": 1})) == [one]
    assert read(lambda c: SqlUsage(c).events_of("bot", {})) == []
    assert read(lambda c: c.execute(select(usage_events.c.batch).order_by(usage_events.c.id)).scalars().all()) == [1, 2]


def test_many_ids_are_looked_up(any_database: Database) -> None:
    events = [event(f"#{number}") for number in range(1000)]
    write(any_database, lambda c: SqlUsage(c).append(1, events))
    found = any_database.reader.read(lambda c: SqlUsage(c).stored("src", [f"#{number}" for number in range(1200)]))
    assert len(found) == 1000


def test_signals_are_found_by_agent(any_database: Database) -> None:
    signal = UsageEvent("src", "z", Instant(5), Kind.SIGNAL, "bot", body='{"about":"","on":true,"signal":"anomaly"}')
    write(any_database, lambda c: SqlUsage(c).append(1, [signal, event("a")]))
    assert any_database.reader.read(lambda c: SqlUsage(c).signals_of(["bot", "other"])) == [signal]


def test_days_add_up_whatever_order_they_come_in(any_database: Database) -> None:
    order = random.Random(7)
    rows = [
        row(day, *order.choice([(1, 0), (0, 1), (2, 3)]), at := day * DAY + order.randrange(DAY), at)
        for day in (3, 4, 5)
        for _ in range(12)
    ]
    whole = added_up(rows)
    for _ in range(3):
        order.shuffle(rows)
        write(any_database, lambda c: c.execute(use_days.delete()) and None)
        for at in range(0, len(rows), 5):
            some = rows[at : at + 5]
            write(any_database, lambda c, some=some: SqlUseDays(c).add(some))  # type: ignore[misc]
        assert any_database.reader.read(lambda c: SqlUseDays(c).of_agent("bot")) == whole


def test_a_use_says_when_even_if_it_was_tried_before_and_after(any_database: Database) -> None:
    tried, used, late = row(1, 0, 1, 5, 5), row(1, 1, 0, 7, 7), row(1, 0, 1, 9, 9)
    for each in (tried, used, late):
        write(any_database, lambda c, each=each: SqlUseDays(c).add([each]))  # type: ignore[misc]
    write(any_database, lambda c: SqlUseDays(c).add([]))
    assert any_database.reader.read(lambda c: SqlUseDays(c).of_agent("bot")) == [row(1, 1, 2, 7, 7)]


def test_days_of_keys_are_in_order_and_of_every_source(any_database: Database) -> None:
    rows = [row(9, 1, 0, 1, 1), row(10, 1, 0, 1, 1), row(9, 1, 0, 1, 1, "other")]
    write(any_database, lambda c: SqlUseDays(c).add(rows))
    other = KEY._replace(action=ActionName("s/u"))
    found = any_database.reader.read(lambda c: SqlUseDays(c).days_of([other, KEY]))
    assert found == {KEY: sorted(rows)}


def test_windows_claims_and_numbers_are_kept_as_they_are(any_database: Database) -> None:
    steps = [windows([(1, 5), (9, 12)]), windows([(1, 12), (20, 30)]), Windows(), windows([(2, 3)])]
    numbers = [[Stretch(1, 4, 10, 20), Stretch(7, 7, 30, 30)], [Stretch(1, 7, 10, 30)], [], [Stretch(0, 2, 5, 6)]]
    before, told = Windows(), list[Stretch]()
    for after, more in zip(steps, numbers, strict=True):

        def keep(c: Any, was: Windows = before, now: Windows = after, old: Any = told, new: Any = more) -> None:
            SqlWindows(c).keep_claims("src", was, now)
            SqlWindows(c).keep_windows("src", was, now)
            SqlWindows(c).keep_stretches("src", old, new)

        write(any_database, keep)
        read = any_database.reader.read
        assert read(lambda c: SqlWindows(c).claims("src")) == after
        assert read(lambda c: SqlWindows(c).windows("src")) == after
        assert read(lambda c: SqlWindows(c).stretches("src")) == more
        assert read(lambda c: SqlWindows(c).windows("other")) == Windows()
        before, told = after, more


def test_a_server_is_covered_where_all_of_its_sources_are(any_database: Database) -> None:
    def put(c: Any) -> None:
        for name, servers, spans in (
            ("a", ("s", "t"), [(0, 10)]), ("b", ("s",), [(5, 20)]), ("c", ("u",), []),
        ):  # fmt: skip
            SqlUsage(c).put(Source(name, servers, 0, Instant(1)))
            SqlWindows(c).keep_windows(name, Windows(), windows(spans))

    write(any_database, put)
    found = any_database.reader.read(lambda c: SqlUsage(c).coverage())
    assert found == {"s": windows([(5, 10)]), "t": windows([(0, 10)]), "u": Windows()}
