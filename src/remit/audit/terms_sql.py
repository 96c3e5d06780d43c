"""The tables `log_terms` and `log_stretches` on one open connection: what entries are found by."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select

from remit.audit.terms import Indexed, packed, unpacked
from remit.kernel.clock import Instant
from remit.storage.schema import bundles, log_stretches, log_terms
from remit.storage.upsert import insert


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
        last = self._connection.execute(select(func.max(bundles.c.first))).scalar_one()
        if last is None:
            return 0
        count = select(bundles.c.count).where(bundles.c.first == last)
        return int(last) + int(self._connection.execute(count).scalar_one())

    def add(self, stretch: int, terms: Sequence[tuple[int, int]]) -> None:
        """Terms of a stretch, each with its places. It counts only once it is closed; twice is as once."""
        rows = [{"term": term, "stretch": stretch, "places": packed(places)} for term, places in terms]
        if rows:
            self._connection.execute(insert(log_terms, self._connection).on_conflict_do_nothing(), rows)

    def close(self, stretch: int, found: Indexed) -> None:
        """All terms of a stretch are there."""
        row = {"stretch": stretch, "earliest": found.earliest, "latest": found.latest}
        self._connection.execute(insert(log_stretches, self._connection).on_conflict_do_nothing(), row)

    def places(self, term: int, low: int, high: int) -> dict[int, int]:
        """The places of a term in the stretches low..high-1, where there are any."""
        query = select(log_terms.c.stretch, log_terms.c.places).where(
            log_terms.c.term == term, log_terms.c.stretch >= low, log_terms.c.stretch < high
        )
        return {stretch: unpacked(places) for stretch, places in self._connection.execute(query).tuples()}

    def within(self, since: Instant | None, until: Instant | None, low: int, high: int) -> Collection[int]:
        """Those of the stretches low..high-1 that have entries of that time."""
        query = select(log_stretches.c.stretch).where(log_stretches.c.stretch >= low, log_stretches.c.stretch < high)
        if since is not None:
            query = query.where(log_stretches.c.latest >= since)
        if until is not None:
            query = query.where(log_stretches.c.earliest <= until)
        return set(self._connection.execute(query).scalars())
