"""Rows of the posture, combinations, and the versions of an agent's boundaries: SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

from remit.access.draft import Clause, Draft, Version
from remit.access.model import BoundaryState
from remit.access.sql import SqlBoundaries
from remit.certification.noticing.combination_sql import SqlCombinations
from remit.certification.noticing.combinations import Combination, Severity
from remit.certification.posture.growth import Tally
from remit.certification.posture.row import Row
from remit.certification.posture.sql import ALL, SqlPosture
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.storage.database import Database

NOON = Instant(1_795_521_600_000_000)


def row(weight: int, owner: str = "dana") -> Row:
    sums = Tally(granted=1, granted_weight=weight, creep=weight * 1_000_000, withdrawn={24: 2})
    return Row(sums=sums, table="t", owner=owner, stand_ins=("lee",))


def test_the_first_row_of_a_day_stays(any_database: Database) -> None:
    write, read = any_database.writer.change, any_database.reader.read
    write(lambda tx: SqlPosture(tx.connection).put(9, [("a", row(1)), ("b", row(2)), (ALL, row(3))]))
    write(lambda tx: SqlPosture(tx.connection).put(9, [("a", row(9)), ("c", row(4))]))
    assert read(lambda c: SqlPosture(c).find(9, "a")) == row(1)
    assert read(lambda c: SqlPosture(c).find(9, "d")) is None
    assert read(lambda c: [each.agent for each in SqlPosture(c).day(9)]) == ["a", "b", "c"]
    assert read(lambda c: SqlPosture(c).among(9, ["a", "x"])) == {"a"}
    assert read(lambda c: SqlPosture(c).has(9, ALL))
    assert not read(lambda c: SqlPosture(c).has(8, ALL))
    write(lambda tx: SqlPosture(tx.connection).put(9, []))


def test_pages_and_series(any_database: Database) -> None:
    write, read = any_database.writer.change, any_database.reader.read
    for day in (5, 6, 8):
        write(lambda tx, day=day: SqlPosture(tx.connection).put(day, [(n, row(day)) for n in ("b", "a", "c", ALL)]))  # type: ignore[misc]
    assert [each.agent for each in read(lambda c: SqlPosture(c).page(6, most=2))] == ["a", "b"]
    assert [each.agent for each in read(lambda c: SqlPosture(c).page(6, after="b"))] == ["c"]
    assert [each.day for each in read(lambda c: SqlPosture(c).series("a", since=6, until=8))] == [6, 8]
    assert [each.day for each in read(lambda c: SqlPosture(c).series(ALL, since=1, until=6))] == [5, 6]


def test_which_days_are_whole_and_what_is_forgotten(any_database: Database) -> None:
    write, read = any_database.writer.change, any_database.reader.read
    assert read(lambda c: (SqlPosture(c).newest(until=99), SqlPosture(c).oldest())) == (None, None)
    write(lambda tx: SqlPosture(tx.connection).put(5, [("a", row(1)), (ALL, row(1))]))
    write(lambda tx: SqlPosture(tx.connection).put(7, [("a", row(1)), (ALL, row(1))]))
    write(lambda tx: SqlPosture(tx.connection).put(8, [("a", row(1))]))
    assert read(lambda c: SqlPosture(c).newest(until=99)) == 7
    assert read(lambda c: SqlPosture(c).newest(until=6)) == 5
    assert read(lambda c: SqlPosture(c).oldest()) == 5
    write(lambda tx: SqlPosture(tx.connection).forget(before=7))
    assert read(lambda c: (SqlPosture(c).find(5, "a"), SqlPosture(c).find(7, "a"))) == (None, row(1))
    assert read(lambda c: SqlPosture(c).find(5, ALL)) == row(1)


def test_combinations_come_back_by_name(any_database: Database) -> None:
    write, read = any_database.writer.change, any_database.reader.read
    two = Combination(combination="b", actions=("s/x", "s/y"), why="w", severity=Severity.HIGH)
    one = replace(two, combination="a", severity=Severity.CRITICAL)
    for each in (two, one):
        write(lambda tx, each=each: SqlCombinations(tx.connection).put(each))  # type: ignore[misc]
    assert read(lambda c: SqlCombinations(c).all()) == [one, two]
    write(lambda tx: SqlCombinations(tx.connection).put(replace(one, why="other")))
    assert read(lambda c: SqlCombinations(c).find("a")) == replace(one, why="other")
    write(lambda tx: SqlCombinations(tx.connection).remove("a"))
    assert read(lambda c: (SqlCombinations(c).find("a"), SqlCombinations(c).all())) == (None, [two])


def version(boundary: str, number: int, agent: str, at: int | None, state: BoundaryState) -> Version:
    draft = Draft(
        boundary=BoundaryName(boundary), agent=AgentName(agent), purpose=PurposeName("p"),
        allow=(Clause(pattern="s/x"),), not_after=Instant(NOON + DAY),
    )  # fmt: skip
    approved = None if at is None else Instant(at)
    rules = {} if at is None else {ActionName("s/x"): draft.allow[0].rule(ActionName("s/x"))}
    by = None if at is None else OwnerName("dana")
    return Version(draft=draft, version=number, state=state, rules=rules or None, approved_by=by, approved_at=approved)


def test_the_versions_of_an_agent_and_who_was_approved_when(any_database: Database) -> None:
    old = version("b", 1, "bot", NOON, BoundaryState.SUPERSEDED)
    now = version("b", 2, "bot", NOON + 5, BoundaryState.ACTIVE)
    waits = version("a", 1, "bot", None, BoundaryState.PROPOSED)
    other = version("c", 1, "other", NOON + 9, BoundaryState.REVOKED)
    for each in (now, other, waits, old):
        any_database.writer.change(lambda tx, each=each: SqlBoundaries(tx.connection).put(each))  # type: ignore[misc]
    read = any_database.reader.read
    assert read(lambda c: SqlBoundaries(c).of_agent(AgentName("bot"))) == [waits, old, now]
    assert read(lambda c: SqlBoundaries(c).of_agent(AgentName("nobody"))) == []
    between = read(lambda c: SqlBoundaries(c).approved_between(NOON, Instant(NOON + 9)))
    assert between == ["bot"]
    assert read(lambda c: SqlBoundaries(c).approved_between(Instant(NOON + 6), Instant(NOON + 10))) == ["other"]


def test_of_many_boundaries_that_wait_those_that_an_owner_can_approve_are_there(any_database: Database) -> None:
    early = version("a", 1, "bot", None, BoundaryState.WAITING_FOR_CATALOG)
    late = version("z", 1, "bot", None, BoundaryState.PROPOSED)
    for each in (early, late):
        any_database.writer.change(lambda tx, each=each: SqlBoundaries(tx.connection).put(each))  # type: ignore[misc]
    read = any_database.reader.read
    assert read(lambda c: SqlBoundaries(c).open(waiting=True, most=1)) == [late]
    assert read(lambda c: SqlBoundaries(c).open(waiting=True, most=2)) == [early, late], "by name, as ever"
