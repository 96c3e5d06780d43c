"""The tables `log_terms` and `log_stretches` on one open connection: what entries are found by."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select, text

from remit.audit.terms import Indexed, packed, unpacked
from remit.kernel.clock import Instant
from remit.storage.schema import bundles, log_stretches, log_terms
from remit.storage.upsert import insert

# One statement for many rows: see `sql`.
_ADD: Final = {
    "sqlite": text("""
INSERT INTO log_terms (stretch, term, places)
SELECT :stretch, p.value ->> 0, substr(:places, p.value ->> 1, p.value ->> 2) FROM json_each(:rows) AS p
WHERE true ON CONFLICT (stretch, term) DO NOTHING
"""),
    "postgresql": text("""
INSERT INTO log_terms (stretch, term, places)
SELECT CAST(:stretch AS int), CAST(p.value ->> 0 AS bigint),
  substring(CAST(:places AS bytea) FROM CAST(p.value ->> 1 AS int) FOR CAST(p.value ->> 2 AS int))
FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS p(value)
ON CONFLICT (stretch, term) DO NOTHING
"""),
}


class SqlTerms:
    """Those tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def covered(self) -> int:
        """How many stretches are in the index; they are written in order."""
        newest = self._connection.execute(select(func.max(log_stretches.c.stretch))).scalar_one()
        return 0 if newest is None else int(newest) + 1

    def placed(self) -> int:
        """How many entries of the log have a position."""
        first = bundles.c.first
        query = select(first, bundles.c.count).where(first.is_not(None)).order_by(first.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()  # one row by the index, which has only those
        return 0 if row is None else int(row[0]) + int(row[1])

    def add(self, stretch: int, terms: Sequence[tuple[int, int]]) -> None:
        """Terms of a stretch, each with its places. It counts only once it is closed; twice is as once."""
        rows, parts, at = [], [], 1
        for term, places in terms:
            part = packed(places)
            rows.append((term, at, len(part)))
            parts.append(part)
            at += len(part)
        values = {"stretch": stretch, "rows": msgspec.json.encode(rows).decode(), "places": b"".join(parts)}
        self._connection.execute(_ADD[self._connection.dialect.name], values)

    def close(self, stretch: int, found: Indexed) -> None:
        """All terms of a stretch are there."""
        row = {"stretch": stretch, "earliest": found.earliest, "latest": found.latest}
        self._connection.execute(insert(log_stretches, self._connection).on_conflict_do_nothing(), row)

    def places(self, term: int, low: int, high: int) -> dict[int, int]:
        """The places of a term in the stretches low..high-1, where there are any."""
        return {stretch: unpacked(places) for stretch, places in self.packed(term, low, high).items()}

    def packed(self, term: int, low: int, high: int) -> dict[int, bytes]:
        """The same as it is stored: to make it out takes longer than to find it."""
        # A subquery for each stretch: one step down the tree, where a join reads all terms of all of them.
        here = (log_terms.c.stretch == log_stretches.c.stretch) & (log_terms.c.term == term)
        of = (
            select(log_stretches.c.stretch, select(log_terms.c.places).where(here).scalar_subquery().label("places"))
            .where(log_stretches.c.stretch >= low, log_stretches.c.stretch < high)
            .subquery()
        )
        # What has none stays there: a row costs a turn at the interpreter, which busy threads make long.
        query = select(of).where(of.c.places.is_not(None))
        return {stretch: bytes(places) for stretch, places in self._connection.execute(query)}

    def within(self, since: Instant | None, until: Instant | None, low: int, high: int) -> Collection[int]:
        """Those of the stretches low..high-1 that have entries of that time."""
        query = select(log_stretches.c.stretch).where(log_stretches.c.stretch >= low, log_stretches.c.stretch < high)
        if since is not None:
            query = query.where(log_stretches.c.latest >= since)
        if until is not None:
            query = query.where(log_stretches.c.earliest <= until)
        return set(self._connection.execute(query).scalars())
