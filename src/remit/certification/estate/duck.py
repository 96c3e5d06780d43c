"""An estate in DuckDB: a hundred million events on two cores. It is an extra, imported when it is asked for.

Days of use are bits here (`blocks`): a group for each entitlement and 64 days, where a row for each day would take
ten times as many. Nothing depends on the order in which DuckDB happens to read: what is asked of it is sorted, or is
a maximum, a disjunction or a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from remit.certification.estate.blocks import BITS, days_in, gaps_in
from remit.certification.estate.model import Day, Event, Row, Start
from remit.kernel.clock import DAY
from remit.kernel.errors import ConfigInvalid

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SOME: Final = 20_000  # rows that pass to or from DuckDB at once
_TABLES: Final = (
    "CREATE TABLE starts (eid INTEGER, terms INTEGER, started BIGINT, covered BIGINT)",
    "CREATE TABLE arrived (eid INTEGER, happened BIGINT)",
    "CREATE TABLE blocks (eid INTEGER, block INTEGER, bits UBIGINT, last BIGINT)",
)
_FRESH: Final = f"""
    SELECT eid, (happened // {BITS * DAY})::INTEGER AS block,
        bit_or(1::UBIGINT << (happened // {DAY}) % {BITS}) AS bits, max(happened) AS last
    FROM ({{arrived}}) GROUP BY ALL"""  # noqa: S608 - constants, and queries of the program itself
# What came together with what is known of the same 64 days; only where it says anything new.
_MERGED: Final = """
    SELECT fresh.eid, fresh.block, fresh.bits | coalesce(known.bits, 0) AS bits,
        greatest(fresh.last, known.last) AS last
    FROM fresh LEFT JOIN blocks AS known ON known.eid = fresh.eid AND known.block = fresh.block
    WHERE known.eid IS NULL OR fresh.bits | known.bits <> known.bits OR fresh.last > known.last"""
_BLOCKS: Final = "string_agg(block || ':' || bits, ',' ORDER BY block)"
_HABITS: Final = f"""
    SELECT starts.eid, starts.terms, starts.started, starts.covered, used.last, used.uses, used.blocks
    FROM starts LEFT JOIN (
        SELECT eid, sum(bit_count(bits))::INTEGER AS uses, max(last) AS last, {_BLOCKS} AS blocks
        FROM blocks {{some}} GROUP BY eid
    ) AS used ON used.eid = starts.eid {{these}} ORDER BY starts.eid"""  # noqa: S608 - constants
_DAYS: Final = f"SELECT eid, {_BLOCKS} FROM blocks GROUP BY eid ORDER BY eid"  # noqa: S608 - constants


class DuckEstate:
    """Implements remit.certification.estate.ports.Estate."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection
        self._queries: list[str] = []

    @classmethod
    def open(cls, folder: Path, *, threads: int = 2, memory: str = "3GB") -> DuckEstate:
        """A new estate in a folder, which also takes what does not fit into `memory`.

        Raises:
            ConfigInvalid: DuckDB is not installed.
        """
        try:
            import duckdb  # noqa: PLC0415 - an extra, and 60 MB
        except ImportError as error:
            raise ConfigInvalid("large estates need DuckDB", try_="pip install 'remit[duckdb]'") from error
        settings: dict[str, Any] = {
            "threads": threads,
            "memory_limit": memory,
            "preserve_insertion_order": False,
            "temp_directory": str(folder / "spill"),
        }
        connection = duckdb.connect(str(folder / "estate.duckdb"), config=settings)
        connection.execute("SET enable_progress_bar = false")  # it would be printed among the answer
        for table in _TABLES:
            connection.execute(table)
        return cls(connection)

    def run(self, statement: str) -> None:
        """Run a statement of the program's own, such as one that makes a table for `load_from`."""
        self._connection.execute(statement)

    def start(self, starts: Iterable[Start]) -> None:
        """Entitlements that were started, each once."""
        self._put("starts", starts)

    def start_from(self, query: str) -> None:
        """The same, from a query on this connection for eid, terms, started and covered."""
        self._connection.execute(f"INSERT INTO starts {query}")

    def load(self, events: Iterable[Event]) -> None:
        """Take events, in any order and any number of times."""
        self._put("arrived", ((event.eid, event.happened) for event in events))

    def load_from(self, query: str) -> None:
        """The same, from a query on this connection for eid and happened; it is run by the next `roll_up`."""
        self._queries.append(query)

    def roll_up(self) -> list[int]:
        """Merge what was loaded into days of use; the entitlements for which that changed anything, in order."""
        run = self._connection.execute
        arrived = " UNION ALL ".join(["SELECT eid, happened FROM arrived", *self._queries])
        if run("SELECT 1 FROM blocks LIMIT 1").fetchall():
            run(f"CREATE TEMP TABLE fresh AS {_FRESH.format(arrived=arrived)}")
            run(f"CREATE TEMP TABLE merged AS {_MERGED}")
            run("DELETE FROM blocks USING merged WHERE blocks.eid = merged.eid AND blocks.block = merged.block")
            run("INSERT INTO blocks FROM merged")
            changed = run("SELECT DISTINCT eid FROM merged ORDER BY eid").fetchall()
            run("DROP TABLE fresh")
            run("DROP TABLE merged")
        else:  # there is nothing to merge with
            run(f"CREATE OR REPLACE TABLE blocks AS {_FRESH.format(arrived=arrived)}")
            changed = run("SELECT DISTINCT eid FROM blocks ORDER BY eid").fetchall()
        run("DELETE FROM arrived")
        self._queries = []
        return [eid for (eid,) in changed]

    def days(self) -> Iterator[Day]:
        """Every day of use, in order of entitlement and day."""
        for eid, blocks in self._rows(_DAYS):
            yield from (Day(eid, day) for day in days_in(blocks))

    def habits(self, eids: Sequence[int] | None = None) -> Iterator[Row]:
        """What is known of every entitlement, or of `eids`, in order."""
        some = these = ""
        if eids is not None:
            self._connection.execute("CREATE OR REPLACE TEMP TABLE wanted (eid INTEGER)")
            self._put("wanted", ((eid,) for eid in eids))
            some = "SEMI JOIN wanted USING (eid)"
            these = "WHERE starts.eid IN (SELECT eid FROM wanted)"
        for eid, terms, started, covered, last, uses, blocks in self._rows(_HABITS.format(some=some, these=these)):
            gaps = gaps_in(blocks) if uses else ""
            yield Row(eid, terms, started, covered, last or 0, uses or 0, gaps)

    def close(self) -> None:
        """Let go of everything; the folder is its owner's."""
        self._connection.close()

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        found = self._connection.execute(query)
        while rows := found.fetchmany(_SOME):
            yield from rows

    def _put(self, table: str, rows: Iterable[Sequence[int]]) -> None:
        """Insert rows of integers, column by column: DuckDB takes single rows slowly."""
        waiting = list(rows)
        for at in range(0, len(waiting), _SOME):
            columns = [list(column) for column in zip(*waiting[at : at + _SOME], strict=True)]
            marks = ", ".join("unnest(?)" for _ in columns)
            self._connection.execute(f"INSERT INTO {table} SELECT {marks}", columns)
