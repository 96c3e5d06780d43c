"""Calls by the day and by the entitlement, in both databases: sums of all sources, whole numbers, from a day on."""

from __future__ import annotations

from typing import Any

from remit.access.activation import ActivationKey
from remit.certification.noticing.clockwork_sql import called_in_vain, used_evenly, used_evenly_of
from remit.certification.usage.days import Calls, DayKey, UseDay
from remit.certification.usage.sql import SqlUseDays
from remit.kernel.clock import DAY, HOUR, Instant
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.storage.database import Database

TODAY = 20_700
NOW = Instant(TODAY * DAY + 13 * HOUR)


def key(action: str, *, agent: str = "bot", purpose: str = "work") -> ActivationKey:
    return ActivationKey(AgentName(agent), PurposeName(purpose), ActionName(action), action.partition("/")[0])


def row(
    of: ActivationKey, ago: int, *, uses: int = 0, denied: int = 0, errors: int = 0, source: str = "remit"
) -> UseDay:
    at = (TODAY - ago) * DAY + 12 * HOUR
    return UseDay(DayKey(*of, TODAY - ago, source), uses, denied, errors, at, at)


def stored(database: Database, rows: list[UseDay]) -> Any:
    database.writer.change(lambda tx: SqlUseDays(tx.connection).add(rows))
    return database.reader.read


def test_calls_are_added_up(any_database: Database) -> None:
    read = stored(
        any_database,
        [
            row(key("s/a"), 0, uses=2, denied=1),
            row(key("s/a"), 0, errors=4, source="b"),
            row(key("s/b"), 0, denied=2**40),
            row(key("s/a"), 1, uses=1),
            row(key("s/a"), 2, uses=9),
            row(key("s/a", agent="other"), 1, uses=7),
        ],
    )
    since = TODAY - 1
    found = read(lambda c: SqlUseDays(c).calls_of("bot", since=since, source="remit"))
    assert found == {TODAY: Calls(2, 2**40 + 1, 0), TODAY - 1: Calls(1, 0, 0)}
    assert read(lambda c: SqlUseDays(c).calls_of("bot", since=since, source="b")) == {TODAY: Calls(0, 0, 4)}
    assert all(type(number) is int for calls in found.values() for number in calls)
    called = read(lambda c: SqlUseDays(c).called_on("bot", least=2, since=since))
    assert called == {key("s/a"): Calls(3, 1, 4)}, "two sources of one day are one day"
    called = read(lambda c: SqlUseDays(c).called_on("bot", least=2, since=since, source="remit"))
    assert called == {key("s/a"): Calls(3, 1, 0)}
    assert list(read(lambda c: SqlUseDays(c).called_on("bot", least=1, since=0))) == [key("s/a"), key("s/b")]
    days = read(lambda c: SqlUseDays(c).days_of([key("s/a")], since=since))
    assert [each.key.day for each in days[key("s/a")]] == [TODAY - 1, TODAY, TODAY]


def test_what_is_called_like_a_clock(any_database: Database) -> None:
    rows = [row(key("s/fails"), ago, errors=1) for ago in range(9)]
    rows += [row(key("s/works"), ago, uses=3) for ago in range(9)]
    rows += [row(key("s/works", purpose="play"), ago, uses=3) for ago in range(7)]
    rows += [row(key("s/fails", agent="other"), ago, errors=1) for ago in range(9)]
    read = stored(any_database, rows)
    assert list(read(lambda c: called_in_vain(c, "bot", now=NOW))) == [key("s/fails")]
    keys = [key("s/works"), key("s/works", purpose="play"), key("s/fails"), key("s/fails", agent="other")]
    found = read(lambda c: used_evenly(c, keys, now=NOW))
    assert found == read(lambda c: used_evenly_of(c, "bot", keys, now=NOW))
    assert {of: (how.days, how.every) for of, how in found.items()} == {key("s/works"): (9, DAY)}
    assert read(lambda c: used_evenly_of(c, "bot", [], now=NOW)) == {}
