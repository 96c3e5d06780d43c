"""A whole database's use counted anew in an estate, and compared with what every activation keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple

from remit.access.activation import MOST_GAPS, Usage
from remit.audit.standing import Rows
from remit.certification.estate.model import Event, Row, Start
from remit.certification.estate.ports import Estate
from remit.certification.replaying.reading import newest_days
from remit.kernel.clock import Instant, Micros

_KEPT: Final = "SELECT agent, purpose, action, scope, last, days, gaps FROM activations WHERE serial > 0"
_DAYS: Final = "SELECT agent, purpose, action, scope, last FROM use_days WHERE uses > 0"
_BEGAN: Final = "SELECT min(day) FROM use_days WHERE source = 'remit'"
_SOME: Final = 100_000  # rows that are handed over at once


class Difference(NamedTuple):
    """An activation whose use is not what its days come to."""

    agent: str
    purpose: str
    action: str
    scope: str
    kept: str
    counted: str


@dataclass(slots=True)
class Comparison:
    """What came of it. What is not compared is from before use was written down by the day."""

    seen: int = 0
    compared: int = 0
    differences: list[Difference] = field(default_factory=list)


class _Known(NamedTuple):
    key: tuple[str, str, str, str]
    last: int
    days: int
    gaps: str


def compare(rows: Rows, estate: Estate, told: Callable[[int], None] = lambda _many: None) -> Comparison:
    """Count everything anew in `estate`, which is empty, and compare. `told` hears how many days are read."""
    known = sorted(_Known((row[0], row[1], row[2], row[3]), row[4], row[5], row[6]) for row in rows(_KEPT, ()))
    estate.start(Start(eid, 0, each.last, 0) for eid, each in enumerate(known))
    _load(rows, estate, {each.key: eid for eid, each in enumerate(known)}, told)
    began = next(iter(list(rows(_BEGAN, ()))), (None,))[0]
    found = Comparison(seen=len(known))
    for row in estate.habits():
        each = known[row.eid]
        if began is None or older_than_days(_usage(each), row, int(began)):
            continue
        found.compared += 1
        if (each.days, each.gaps) != (row.days, row.gaps) or (row.days and each.last != row.last):
            found.differences.append(Difference(*each.key, _said(each), _said(row)))
    return found


def _load(rows: Rows, estate: Estate, eids: dict[tuple[str, str, str, str], int], told: Callable[[int], None]) -> None:
    """The last use of each day stands for all of that day."""
    days: Iterator[Any] = iter(rows(_DAYS, ()))
    read = 0
    while some := list(islice(days, _SOME)):
        named = (((agent, purpose, action, scope), last) for agent, purpose, action, scope, last in some)
        estate.load(Event(0, 0, eids[key], last) for key, last in named if key in eids)
        read += len(some)
        told(read)
    estate.roll_up()


def older_than_days(kept: Usage, counted: Row, began: int) -> bool:
    """The same question as `reading.older`, of what an estate tells."""
    there = set(newest_days(counted.usage(lambda _at: 0)))
    missing = any(day <= began and day not in there for day in newest_days(kept))
    return missing or (len(kept.gaps) == MOST_GAPS and kept.days > counted.days)


def _usage(kept: _Known) -> Usage:
    gaps = tuple(map(int, kept.gaps.split(","))) if kept.gaps else ()
    return Usage(Instant(kept.last), Micros(0), kept.days, gaps)


def _said(each: _Known | Row) -> str:
    return f"{each.days} days, gaps {each.gaps or '-'}, last {each.last}"
