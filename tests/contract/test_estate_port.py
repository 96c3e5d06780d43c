"""Estates: the same rows from SQLite, PostgreSQL and DuckDB, and the usage that the pure rule makes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine

from remit.access.activation import Usage
from remit.certification.estate.duck import DuckEstate
from remit.certification.estate.model import Day, Event, Start
from remit.certification.estate.plain import PlainEstate
from remit.certification.estate.ports import Estate
from remit.certification.usage.days import DayKey, UseDay, added_up, usage_of
from remit.kernel.clock import DAY, HOUR, Instant, Micros

FIRST = 20_000  # a day
MANY = 5
USES = st.lists(st.tuples(st.integers(0, MANY - 1), st.integers(0, 400 * 24)), max_size=120)
STARTS = [Start(eid, eid % 2, FIRST * DAY + eid, eid) for eid in range(MANY)]
Opens = Callable[[], AbstractContextManager[Estate]]


def covered(at: int) -> int:
    """Complete but for every tenth day."""
    return at - at // (10 * DAY) * DAY - max(0, at % (10 * DAY) - 9 * DAY)


@pytest.fixture(params=["sqlite", "postgresql", "duckdb"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opens]:
    """Each is a new estate."""
    if request.param == "duckdb":
        yield _ducks(tmp_path)
        return
    url = "sqlite://"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    yield _plain(engine)
    engine.dispose()


def _ducks(where: Path) -> Opens:
    numbers = count()

    @contextmanager
    def opened() -> Iterator[Estate]:
        folder = where / f"duck-{next(numbers)}"
        folder.mkdir()
        estate = DuckEstate.open(folder, memory="500MB")
        try:
            yield estate
        finally:
            estate.close()

    return opened


def _plain(engine: Engine) -> Opens:
    @contextmanager
    def opened() -> Iterator[Estate]:
        with engine.connect() as connection:
            estate = PlainEstate(connection)
            try:  # an example may be given up in its middle, and its tables would be there for the next one
                yield estate
            finally:
                estate.close()
                connection.commit()

    return opened


def events(uses: list[tuple[int, int]]) -> list[Event]:
    return [Event(1, seq, eid, FIRST * DAY + hour * HOUR + seq) for seq, (eid, hour) in enumerate(uses)]


def by_rule(told: list[Event], eid: int) -> Usage:
    start = Usage(Instant(STARTS[eid].started), Micros(STARTS[eid].covered))
    days = [
        UseDay(DayKey("a", "p", "s/t", "s", each.happened // DAY, "x"), 1, 0, 0, each.happened, each.happened)
        for each in told
        if each.eid == eid
    ]
    return usage_of(start, added_up(days), lambda at: Micros(covered(at)))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(USES, st.randoms(use_true_random=False), st.integers(0, 120))
def test_habits_are_what_the_rule_makes_of_every_use_in_any_order_and_told_twice(
    opens: Opens, uses: list[tuple[int, int]], order: random.Random, cut: int
) -> None:
    told = events(uses)
    shuffled = [*told, *order.sample(told, len(told) // 2)]
    order.shuffle(shuffled)
    with opens() as estate:
        estate.start(order.sample(STARTS, MANY))
        for part in (shuffled[:cut], shuffled[cut:]):
            estate.load(part)
            estate.roll_up()
        rows = list(estate.habits())
        days = list(estate.days())
    assert [row.eid for row in rows] == list(range(MANY))
    assert [row.usage(covered) for row in rows] == [by_rule(told, eid) for eid in range(MANY)]
    assert [row[:4] for row in rows] == [(each.eid, each.terms, each.started, each.covered) for each in STARTS]
    assert days == sorted({Day(each.eid, each.happened // DAY) for each in told})


def test_a_roll_up_names_what_it_changed_and_nothing_else(opens: Opens) -> None:
    told = events([(0, 5), (1, 5), (2, 5)])
    with opens() as estate:
        estate.start(STARTS)
        estate.load(told)
        assert estate.roll_up() == [0, 1, 2]
        assert estate.roll_up() == []
        estate.load(told)  # again: nothing new
        assert estate.roll_up() == []
        earlier = Event(1, 9, 1, FIRST * DAY + HOUR)  # on the same day, before its last use
        later = Event(1, 10, 2, FIRST * DAY + 9 * HOUR)
        estate.load([earlier, later, Event(1, 11, 0, (FIRST + 200) * DAY)])
        assert estate.roll_up() == [0, 2]
        (row,) = estate.habits([0])
        assert (row.days, row.gaps, row.last) == (2, "200", (FIRST + 200) * DAY)
        assert [each.eid for each in estate.habits([2, 0])] == [0, 2]
        assert list(estate.habits([])) == []


def test_only_the_newest_gaps_are_kept(opens: Opens) -> None:
    with opens() as estate:
        estate.start(STARTS)
        estate.load(Event(1, at, 3, (FIRST + at * (at + 1) // 2) * DAY) for at in range(40))
        estate.roll_up()
        (row,) = estate.habits([3])
    assert row.days == 40
    assert row.gaps == ",".join(map(str, range(20, 40)))
