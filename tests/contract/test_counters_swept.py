"""A counter that a sweep takes away while a batch is at it: on PostgreSQL, where another node may sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from remit.kernel.clock import Instant
from remit.storage import postgres
from remit.storage.database import Database
from remit.storage.effects import wanted
from remit.storage.model import Mark, Work

NOON = Instant(1_700_000_000_000_000)


def test_a_mark_is_not_lost_in_a_row_that_another_node_sweeps_away(
    postgres_url: str, opened: Callable[[Path | str], Database]
) -> None:
    opened(postgres_url)
    url = make_url(postgres_url).set(drivername="postgresql+psycopg")
    journal = postgres.PostgresJournal(postgres.engine(url, reading=False))
    wants, execute = wanted([Work((), (Mark("tainted", NOON, NOON),))]), journal._execute
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as other:
        other.execute("INSERT INTO counters (key, \"window\", used, expires) VALUES ('tainted', 0, 0, 1)")

        def swept(query: Any, *values: Any) -> Any:
            done = execute(query, *values)
            if "INSERT INTO counters" in query:
                other.execute("DELETE FROM counters WHERE expires = 1")
            return done

        journal._execute = swept  # type: ignore[assignment] # another node, at the worst moment
        journal.begin(changes=False)
        assert journal.used(wants) == {("tainted", 0): 0}
        journal.keep({("tainted", 0): NOON}, wants)
        journal.commit()
        journal.close()
        assert other.execute("SELECT used FROM counters").fetchall() == [(NOON,)]
