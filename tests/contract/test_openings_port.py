"""Openings, and the boundaries that they open, as rows: memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remit.access.draft import Clause, Draft, Version
from remit.access.model import BoundaryState, Rule
from remit.access.opening import Opening, OpeningState, closed, moved, seen
from remit.access.openings_sql import SqlOpenings
from remit.access.sql import SqlBoundaries, load, load_all, load_of_agent
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.storage.database import Database
from remit.storage.memory import MemoryWriter
from remit.storage.ports import Writer

NOON = Instant(1_700_000_000_000_000)
BOT, GLASS = AgentName("bot"), BoundaryName("glass")
Change = Callable[[Callable[[Any], Any]], Any]


def opening(name: str = "opn_1", at: int = NOON, **parts: Any) -> Opening:
    made: dict[str, Any] = {
        "agent": BOT,
        "boundary": GLASS,
        "by": "dana",
        "reason": "a bank is down",
        "ticket": "INC-7",
    }
    return Opening(**(made | {"opening": name, "opened": Instant(at), "ends": Instant(at + HOUR)} | parts))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def change(request: pytest.FixtureRequest, tmp_path: Path, opened: Callable[[Path | str], Database]) -> Change:
    """Run a function on a connection inside a change."""
    writer: Writer
    if request.param == "memory":
        writer = MemoryWriter()
    else:
        where = tmp_path / "remit.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
        writer = opened(where).writer
    return lambda act: writer.change(lambda tx: act(tx.connection))


def keep(change: Change, *them: Opening) -> None:
    def apply(connection: Any) -> None:
        for each in them:
            SqlOpenings(connection).put(each)

    change(apply)


def test_an_opening_is_read_as_it_was_written(change: Change) -> None:
    it = seen(
        closed(opening(), by="lee", now=Instant(NOON + MINUTE)), by="mo", accepted=False, note="é?",
        now=Instant(NOON + HOUR),
    )  # fmt: skip
    keep(change, opening(), it, opening("opn_2"))
    assert change(lambda connection: SqlOpenings(connection).find("opn_1")) == it
    assert change(lambda connection: SqlOpenings(connection).find("opn_9")) is None


def test_what_is_open_stands_and_what_is_reviewed_does_not(change: Change) -> None:
    rows = [
        replace(opening("opn_1"), state=OpeningState.REVIEWED),
        opening("opn_2", NOON - 2 * HOUR),
        opening("opn_3"),
        opening("opn_4", boundary=BoundaryName("other")),
        replace(opening("opn_5", NOON + DAY, agent=AgentName("b")), state=OpeningState.OVERDUE),
    ]
    keep(change, *rows)
    found = change(lambda connection: SqlOpenings(connection).standing())
    assert {key: each.opening for key, each in found.items()} == {(BOT, GLASS): "opn_3", (BOT, "other"): "opn_4"}


def test_what_is_due_comes_in_order_and_once(change: Change) -> None:
    late, soon = opening("opn_1", NOON), opening("opn_2", NOON - MINUTE)
    keep(change, late, soon)

    def due(now: int) -> list[str]:
        found = change(lambda connection: SqlOpenings(connection).due(Instant(now), 10))
        return [each.opening for each in found]

    assert due(NOON + HOUR - MINUTE - 1) == []
    assert sorted(due(NOON + HOUR)) == ["opn_1", "opn_2"]
    assert len(change(lambda connection: SqlOpenings(connection).due(Instant(NOON + HOUR), 1))) == 1
    after = moved(late, now=late.due)
    change(lambda connection: SqlOpenings(connection).put(after))
    assert due(NOON + HOUR) == ["opn_2"]
    assert sorted(due(after.due)) == ["opn_1", "opn_2"]
    change(lambda connection: SqlOpenings(connection).put(moved(after, now=after.due)))
    assert due(2**60) == ["opn_2"]


def test_what_concerns_a_new_opening(change: Change) -> None:
    rows = [
        opening("opn_1", by="lee"), opening("opn_2", agent=AgentName("b"), boundary=BoundaryName("x")),
        opening("opn_3", agent=AgentName("b"), by="lee"),
    ]  # fmt: skip
    keep(change, *rows)
    found = change(lambda connection: SqlOpenings(connection).concerning(GLASS, BOT, by="dana"))
    assert [each.opening for each in found] == ["opn_1", "opn_2"]
    newest = change(lambda connection: SqlOpenings(connection).newest(None, most=2))
    assert [each.opening for each in newest] == ["opn_3", "opn_2"]
    assert [e.opening for e in change(lambda c: SqlOpenings(c).newest("bot", most=9))] == ["opn_1"]


@pytest.mark.parametrize("flag", [True, False])
def test_a_boundary_keeps_what_kind_it_is(change: Change, flag: bool) -> None:  # noqa: FBT001 - a parameter of the test
    draft = Draft(
        boundary=GLASS, agent=BOT, purpose=PurposeName("p"), allow=(Clause(pattern="s/t"),),
        not_after=Instant(NOON + DAY), break_glass=flag,
    )  # fmt: skip
    action = ActionName("s/t")
    version = Version(
        draft=draft, version=1, state=BoundaryState.ACTIVE, rules={action: Rule(action=action)},
        approved_by=OwnerName("dana"), approved_at=NOON,
    )  # fmt: skip
    change(lambda connection: SqlBoundaries(connection).put(version))
    change(lambda connection: SqlBoundaries(connection).put(version))
    for read in (lambda c: load(c, GLASS), lambda c: next(load_all(c)), lambda c: load_of_agent(c, BOT)[0]):
        assert change(read) == version.boundary()
    assert change(lambda connection: SqlBoundaries(connection).history(GLASS)).active == version
