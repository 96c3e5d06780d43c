"""A boundary is found among very many by its key: SQLite, left to choose, would read all that are active."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from remit.access import sql
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName, BoundaryName
from remit.storage.database import open_database

AGENT, NAME = AgentName("bot"), BoundaryName("bot-work")
LOOKUPS: dict[str, tuple[Callable[[Connection], Any], str]] = {
    "one in force": (lambda c: sql.load(c, NAME), "boundary=?"),
    "an agent's in force": (lambda c: sql.load_of_agent(c, AGENT), "agent=?"),
    "where one stands": (lambda c: sql.SqlBoundaries(c).history(NAME), "boundary=?"),
    "an agent's open ones": (lambda c: sql.SqlBoundaries(c).open(agent=AGENT), "agent=?"),
    "what ends soon": (lambda c: sql.SqlBoundaries(c).ends(Instant(1)), "state=?"),
    "what waits": (lambda c: sql.SqlBoundaries(c).open(waiting=True), "state=?"),
    "a few of what waits": (lambda c: sql.SqlBoundaries(c).open(waiting=True, most=9), "state=?"),
}


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_it_is_found_by_what_is_known_of_it(tmp_path: Path, lookup: str) -> None:
    asks, column = LOOKUPS[lookup]
    database = open_database(tmp_path / "remit.db")
    try:
        plans = database.reader.read(lambda connection: _plans(connection, asks))
    finally:
        database.close()
    assert plans
    for plan in plans:
        assert plan.startswith("SEARCH boundaries"), plan
        assert column in plan, plan


def _plans(connection: Connection, asks: Callable[[Connection], Any]) -> list[str]:
    said: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        said.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    try:
        asks(connection)
    finally:
        event.remove(connection, "before_cursor_execute", note)
    return [
        str(row[3])
        for statement, parameters in said
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        if "boundaries" in str(row[3])
    ]
