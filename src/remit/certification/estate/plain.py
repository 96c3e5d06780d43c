"""An estate in plain SQL, on SQLite or PostgreSQL: tables that last as long as the connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Select,
    Table,
    and_,
    case,
    create_engine,
    delete,
    func,
    insert,
    or_,
    select,
)

from remit.access.activation import MOST_GAPS
from remit.certification.estate.model import Day, Event, Row, Start
from remit.kernel.clock import DAY
from remit.storage import upsert

_SOME: Final = 10_000  # rows that are sent at once
_metadata = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(f"estate_{name}", _metadata, *columns, prefixes=["TEMPORARY"])


def _number(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=False, autoincrement=False)


_starts = _table("starts", _number("eid", key=True), _number("terms"), _number("started"), _number("covered"))
_arrived = _table("arrived", _number("eid"), _number("happened"))
_days = _table("days", _number("eid", key=True), _number("day", key=True), _number("last"))
_wanted = _table("wanted", _number("eid", key=True))


class PlainEstate:
    """Implements remit.certification.estate.ports.Estate, on one connection and in its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        _metadata.create_all(connection, checkfirst=False)

    @classmethod
    @contextmanager
    def in_memory(cls) -> Iterator[PlainEstate]:
        """A new one, in a SQLite database that is gone afterwards."""
        engine = create_engine("sqlite://")
        try:
            with engine.connect() as connection:
                yield cls(connection)
        finally:
            engine.dispose()

    def start(self, starts: Iterable[Start]) -> None:
        """Entitlements that were started, each once."""
        self._put(_starts, (start._asdict() for start in starts))

    def load(self, events: Iterable[Event]) -> None:
        """Take events, in any order and any number of times."""
        self._put(_arrived, ({"eid": event.eid, "happened": event.happened} for event in events))

    def roll_up(self) -> list[int]:
        """Merge what was loaded into days of use; the entitlements for which that changed anything, in order."""
        fresh = _fresh().subquery()
        known = and_(_days.c.eid == fresh.c.eid, _days.c.day == fresh.c.day)
        newer = or_(_days.c.eid.is_(None), fresh.c.last > _days.c.last)
        news = select(fresh.c.eid).distinct().outerjoin_from(fresh, _days, known).where(newer).order_by(fresh.c.eid)
        changed = list(self._connection.execute(news).scalars())
        self._connection.execute(self._merge())
        self._connection.execute(delete(_arrived))
        return changed

    def _merge(self) -> Any:  # noqa: ANN401 - each dialect has a class of its own
        # SQLite reads ON CONFLICT behind a SELECT as a join unless that has a WHERE.
        new: Any = upsert.insert(_days, self._connection).from_select(
            ["eid", "day", "last"], _fresh().where(_arrived.c.eid >= 0)
        )
        last = case((new.excluded.last > _days.c.last, new.excluded.last), else_=_days.c.last)
        return new.on_conflict_do_update(index_elements=["eid", "day"], set_={"last": last})

    def days(self) -> Iterator[Day]:
        """Every day of use, in order of entitlement and day."""
        rows = self._connection.execute(select(_days).order_by(_days.c.eid, _days.c.day))
        return (Day(row.eid, row.day) for row in rows)

    def habits(self, eids: Sequence[int] | None = None) -> Iterator[Row]:
        """What is known of every entitlement, or of `eids`, in order."""
        query = _habits()
        if eids is not None:
            self._connection.execute(delete(_wanted))
            self._put(_wanted, ({"eid": eid} for eid in eids))
            query = query.where(_starts.c.eid.in_(select(_wanted.c.eid)))
        for _, rows in groupby(self._connection.execute(query), itemgetter(0)):
            newest_last = list(rows)
            row = newest_last[-1]
            gaps = ",".join(str(each.gap) for each in newest_last if each.gap is not None)
            yield Row(row.eid, row.terms, row.started, row.covered, row.last or 0, row.days or 0, gaps)

    def close(self) -> None:
        """Drop the tables; the connection is its owner's."""
        _metadata.drop_all(self._connection, checkfirst=False)

    def _put(self, table: Table, rows: Iterable[dict[str, int]]) -> None:
        waiting = list(rows)
        for at in range(0, len(waiting), _SOME):
            self._connection.execute(insert(table), waiting[at : at + _SOME])


def _fresh() -> Select[Any]:
    """The days of what arrived."""
    happened = _arrived.c.happened
    day = happened // DAY
    return select(_arrived.c.eid, day.label("day"), func.max(happened).label("last")).group_by(_arrived.c.eid, day)


def _habits() -> Select[Any]:
    """A row for each gap that counts, the newest last; one row for what has no gap."""
    each = select(
        _days.c.eid,
        _days.c.day,
        (_days.c.day - func.lag(_days.c.day).over(partition_by=_days.c.eid, order_by=_days.c.day)).label("gap"),
        func.row_number().over(partition_by=_days.c.eid, order_by=_days.c.day.desc()).label("back"),
        func.count().over(partition_by=_days.c.eid).label("days"),
        func.max(_days.c.last).over(partition_by=_days.c.eid).label("last"),
    ).subquery()
    counts = and_(each.c.eid == _starts.c.eid, each.c.back <= MOST_GAPS)
    return (
        select(_starts, each.c.days, each.c.last, each.c.gap)
        .outerjoin_from(_starts, each, counts)
        .order_by(_starts.c.eid, each.c.day)
    )
