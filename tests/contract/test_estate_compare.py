"""All use of a database counted anew: SQLite and PostgreSQL read, in plain SQL and in DuckDB counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, update
from typer.testing import CliRunner

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_sql import SqlActivations
from remit.audit.source_offline import open_offline
from remit.certification.estate.compare import Comparison, compare
from remit.certification.estate.duck import DuckEstate
from remit.certification.estate.plain import PlainEstate
from remit.certification.usage.days import DayKey, UseDay, usage_of
from remit.certification.usage.sql import SqlUseDays
from remit.cli.activation import certify
from remit.cli.exits import Exit
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.storage.database import Database
from remit.storage.governance_schema import use_days
from remit.storage.schema import activations

FIRST, MANY = 20_000, 30


def key(at: int) -> ActivationKey:
    return ActivationKey(AgentName("bot"), PurposeName("work"), ActionName(f"s/t-{at}"), "s")


def days(at: int) -> list[UseDay]:
    found = [(FIRST + day) * DAY + at for day in range(at % 7, 5 * at, 1 + at % 3)]
    rows = [UseDay(DayKey(*key(at), each // DAY, "remit"), 2, 0, 0, each, each + HOUR) for each in found]
    refused = UseDay(DayKey(*key(at), FIRST + 400, "remit"), 0, 1, 0, (FIRST + 400) * DAY, (FIRST + 400) * DAY)
    return [*rows, refused]


def fill(connection: Connection) -> None:
    for at in range(MANY):
        start = Usage(Instant((FIRST + 3) * DAY), Micros(5))
        it = Activation(
            key=key(at), boundary=BoundaryName("b"), boundary_version=1, agent_version="1",
            state=ActivationState.ACTIVE, since=start.last, started=start.last, by="", serial=1,
            usage=usage_of(start, days(at), lambda _at: Micros(9)),
        )  # fmt: skip
        SqlActivations(connection).put(it, expected=0, due=0)
    SqlUseDays(connection).add(row for at in range(MANY) for row in days(at))


@pytest.fixture
def filled(where: Path | str, opened: Callable[[Path | str], Database]) -> Database:
    database = opened(where)
    database.writer.change(lambda tx: fill(tx.connection))
    return database


def counted(where: Path | str, folder: Path) -> Comparison:
    """In both, which say the same."""
    source = open_offline(where)
    try:
        with PlainEstate.in_memory() as estate:
            plain = compare(source.rows, estate)
        folder.mkdir()
        duck = DuckEstate.open(folder, memory="500MB")
        assert compare(source.rows, duck) == plain
        duck.close()
        return plain
    finally:
        source.close()


def test_what_is_kept_is_what_the_days_come_to(filled: Database, where: Path | str, tmp_path: Path) -> None:
    assert filled.epoch >= 0
    found = counted(where, tmp_path / "duck")
    assert (found.seen, found.compared, found.differences) == (MANY, MANY, [])


def test_a_row_that_went_missing_and_a_counter_that_is_wrong_are_found(
    filled: Database, where: Path | str, tmp_path: Path
) -> None:
    lost = delete(use_days).where(use_days.c.action == "s/t-8", use_days.c.day == FIRST + 10)
    wrong = update(activations).where(activations.c.action == "s/t-11").values(days=activations.c.days + 1)
    filled.writer.change(lambda tx: [tx.connection.execute(each) for each in (lost, wrong)] and None)
    found = counted(where, tmp_path / "duck")
    assert [each.action for each in found.differences] == ["s/t-11", "s/t-8"]


def test_the_command_says_what_differs(filled: Database, where: Path | str) -> None:
    run = CliRunner().invoke
    fine = run(certify, ["recount", "--data", str(where), "--json"], standalone_mode=False)
    assert (fine.return_value, json.loads(fine.stdout)["seen"]) == (Exit.OK, MANY)
    wrong = update(activations).where(activations.c.action == "s/t-12").values(gaps="1")
    filled.writer.change(lambda tx: tx.connection.execute(wrong) and None)
    bad = run(certify, ["recount", "--data", str(where), "--duckdb"], standalone_mode=False)
    assert bad.return_value == Exit.INTEGRITY
    assert "bot s/t-12: kept" in bad.stdout


def test_what_is_kept_in_force_without_an_agent_is_named(filled: Database, where: Path | str) -> None:
    """Nothing is registered here, so each is to end; those that are due may wait for it."""
    late = update(activations).where(activations.c.action == "s/t-12").values(due=DAY)
    filled.writer.change(lambda tx: tx.connection.execute(late) and None)
    said = []
    for more in ([], ["--duckdb"]):
        run = CliRunner().invoke(certify, ["recount", "--data", str(where), "--json", *more], standalone_mode=False)
        assert run.return_value == Exit.INTEGRITY
        said.append(json.loads(run.stdout))
    assert said[0] == said[1]
    (odd,) = said[0]["otherwise"]
    assert (odd["action"], odd["recorded"], odd["judged"]) == ("s/t-12", "active", "revoked (agent_retired)")
    assert (said[0]["judged"], said[0]["unsaid"], len(said[0]["turning"])) == (MANY, MANY, MANY - 1)
