"""When sources told everything, in the database: what they claim, the numbers they told, and what follows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select

from remit.certification.usage.windows import Stretch, Windows, windows
from remit.storage.governance_schema import coverage_claims, coverage_windows, usage_sources, usage_stretches

_DELETES = 200  # rows named in one statement


class SqlWindows:
    """Coverage of sources, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claims(self, source: str) -> Windows:
        """When a source says that it told everything."""
        return self._read(coverage_claims, source)

    def windows(self, source: str) -> Windows:
        """When it did, as far as its numbers show."""
        return self._read(coverage_windows, source)

    def stretches(self, source: str) -> list[Stretch]:
        """The numbers that it told."""
        table = usage_stretches
        query = select(table.c.low, table.c.high, table.c.first, table.c.last).where(table.c.source == source)
        return sorted(Stretch(*row) for row in self._connection.execute(query))

    def keep_claims(self, source: str, before: Windows, after: Windows) -> None:
        """Write what a source claims."""
        self._write(coverage_claims, source, before, after)

    def keep_windows(self, source: str, before: Windows, after: Windows) -> None:
        """Write its windows."""
        self._write(coverage_windows, source, before, after)

    def keep_stretches(self, source: str, before: Iterable[Stretch], after: Iterable[Stretch]) -> None:
        """Write the numbers that it told."""
        old, new = set(before), set(after)
        self._delete(usage_stretches, source, "low", sorted(each.low for each in old - new))
        rows = [{"source": source, **each._asdict()} for each in sorted(new - old)]
        if rows:
            self._connection.execute(insert(usage_stretches), rows)

    def coverage(self) -> Mapping[str, Windows]:
        """For each server that sources tell of: when all of them told everything."""
        of_source: dict[str, list[tuple[int, int]]] = defaultdict(list)
        table = coverage_windows
        for source, start, until in self._connection.execute(select(table.c.source, table.c.start, table.c.until)):
            of_source[source].append((start, until))
        found: dict[str, Windows] = {}
        for source, servers in self._connection.execute(select(usage_sources.c.source, usage_sources.c.servers)):
            mine = windows(of_source.get(source, ()))
            for server in msgspec.json.decode(servers):
                found[server] = found[server].intersect(mine) if server in found else mine
        return MappingProxyType(found)

    def _read(self, table: Table, source: str) -> Windows:
        query = select(table.c.start, table.c.until).where(table.c.source == source)
        return windows((row.start, row.until) for row in self._connection.execute(query))

    def _write(self, table: Table, source: str, before: Windows, after: Windows) -> None:
        old, new = set(before.spans), set(after.spans)
        self._delete(table, source, "start", sorted(start for start, _ in old - new))
        rows = [{"source": source, "start": start, "until": until} for start, until in sorted(new - old)]
        if rows:
            self._connection.execute(insert(table), rows)

    def _delete(self, table: Table, source: str, column: str, values: list[int]) -> None:
        for at in range(0, len(values), _DELETES):
            some = table.c[column].in_(values[at : at + _DELETES])
            self._connection.execute(delete(table).where(table.c.source == source, some))
