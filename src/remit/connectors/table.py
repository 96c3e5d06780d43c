"""Tables: CSV with a header, or JSON lines, with a mapping file that says which column is what."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from remit.certification.usage.ingest import Line
from remit.certification.usage.line import event_of, instant_of
from remit.certification.usage.model import Kind, RefusedLine
from remit.connectors.documents import each
from remit.connectors.lines import TOO_LONG
from remit.connectors.mapping import Mapping, Table
from remit.connectors.model import Passed, Read, begun
from remit.connectors.ocsf import at
from remit.connectors.stream import lines
from remit.kernel.canonical import canonical
from remit.kernel.clock import SECOND, Instant
from remit.kernel.errors import ConfigInvalid, Malformed

_PER_SECOND: Final = {"seconds": 1, "milliseconds": 1_000, "microseconds": SECOND, "nanoseconds": 1_000_000_000}
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,9})?\Z")
_TRY: Final = "--map FILE, with columns: {at: COLUMN, agent: COLUMN, action: COLUMN}"
Cell = Callable[[str], str]
"""The text in a column of one record; empty if there is none."""


def read_csv(chunks: Iterable[bytes], mapping: Mapping, source: str) -> Iterator[Read]:
    """The rows of a CSV file (RFC 4180). A record's number is the line it ends on.

    Raises:
        ConfigInvalid: There is no mapping, or it names a column that the header has not.
        Malformed: No row is understood.
    """
    return begun(_rows(chunks, _table(mapping), mapping, source), what="a table that the mapping fits", try_=_TRY)


def read_jsonl(chunks: Iterable[bytes], mapping: Mapping, source: str) -> Iterator[Read]:
    """The objects of a JSON lines file, or of a list. A column is a member; a dot leads into an object.

    Raises:
        ConfigInvalid: There is no mapping.
        Malformed: No object is understood.
    """
    table = _table(mapping)

    def understand(number: int, said: Any) -> Iterable[Read]:  # noqa: ANN401 - any JSON value
        if not isinstance(said, dict):
            raise Malformed("an object is expected")
        return (_one(number, lambda column: _text(at(said, *column.split("."))), table, mapping, source),)

    return begun(each(chunks, understand), what="a table that the mapping fits", try_=_TRY)


def _table(mapping: Mapping) -> Table:
    if mapping.table is None:
        raise ConfigInvalid("no mapping says which column is what", try_=_TRY)
    return mapping.table


def _rows(chunks: Iterable[bytes], table: Table, mapping: Mapping, source: str) -> Iterator[Read]:
    text = _Text(chunks)
    rows = csv.reader(text.lines(), strict=True)
    header = _header(rows, table)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            yield RefusedLine(text.number, f"not CSV: {error}")
            continue
        yield from text.refused()
        yield _row(text.number, row, header, table, mapping, source)
    yield from text.refused()


class _Text:
    """The lines of a table as text, and which of them was read last."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.number = 0
        self._chunks = chunks
        self._long: list[int] = []

    def lines(self) -> Iterator[str]:
        """Each line. Bytes that are no UTF-8 stay recognisable, so that only their row is refused."""
        for number, body in lines(self._chunks):
            if body is None:
                self._long.append(number)
                continue
            self.number = number
            yield body.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape") + "\n"

    def refused(self) -> Iterator[RefusedLine]:
        """The lines that were too long, since this was asked last."""
        long, self._long = self._long, []
        yield from (RefusedLine(number, TOO_LONG) for number in long)


def _header(rows: Iterator[list[str]], table: Table) -> list[str]:
    try:
        header = next(rows, [])
    except csv.Error as error:
        raise Malformed("this is not CSV", detail=str(error), try_="the first line names the columns") from error
    if missing := sorted(set(table.columns.values()) - set(header)):
        raise ConfigInvalid(
            f"the table has no column {missing[0]}"[:200], detail=f"it has {', '.join(header)}"[:500], try_=_TRY
        )
    if len(set(header)) != len(header):
        raise Malformed("two columns of the table have one name", try_="give each a name of its own")
    return header


def _row(number: int, row: list[str], header: list[str], table: Table, mapping: Mapping, source: str) -> Read:
    if len(row) != len(header):
        return RefusedLine(number, f"{len(row)} columns, and the header has {len(header)}")
    cells = dict(zip(header, row, strict=True))
    try:
        return _one(number, lambda column: cells[column], table, mapping, source)
    except Malformed as error:
        return RefusedLine(number, error.public)


def _one(number: int, cell: Cell, table: Table, mapping: Mapping, source: str) -> Read:
    said = {**table.constants, **{member: cell(column) for member, column in table.columns.items()}}
    said = {member: _meant(table, member, text) for member, text in said.items() if text}
    agent = said.get("agent", "")
    if mapping.identities:
        mapped = mapping.agent((agent,))
        if mapped is None:
            return Passed(number, "by no agent of the mapping")
        agent = mapped
    line: dict[str, Any] = {member: said[member] for member in ("purpose", "run", "id") if member in said}
    line |= {"kind": said.get("kind", Kind.USE), "agent": agent or None, "action": _action(said, mapping)}
    line["at"] = time_of(said.get("at", ""), table.time)
    if "seq" in said:
        line["seq"] = _whole(said["seq"])
    elif "id" not in said:
        # Nothing tells two rows apart that say the same, so they are one.
        line["id"] = "row:" + hashlib.sha256(canonical(line)).hexdigest()
    return Line(number, event_of(line, source=source))


def _meant(table: Table, member: str, text: str) -> str:
    meanings = table.values.get(member)
    if meanings is None:
        return text
    if text not in meanings:
        raise Malformed(f"the mapping does not say what {member} {text!r} means"[:200])
    return meanings[text]


def _action(said: dict[str, str], mapping: Mapping) -> str | None:
    if "action" in said:
        return said["action"]
    if "server" not in said or "tool" not in said:
        return None
    return f"{mapping.server((said['server'],)) or said['server']}/{said['tool']}"


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**53)):
        raise Malformed("seq is a whole number from 0")
    return int(text)


def time_of(text: str, form: str) -> Instant:
    """A time that is written like `form` says (`mapping.TIMES`, or a format of strptime).

    Raises:
        Malformed: It is not.
    """
    if form == "rfc3339":
        return instant_of(text)
    try:
        if (per := _PER_SECOND.get(form)) is not None:
            if not _NUMBER.match(text):
                raise Malformed(f"a time in {form} is a number from 0")
            return instant_of(int(Decimal(text) * SECOND // per))
        when = dt.datetime.strptime(text, form)  # noqa: DTZ007 - the next line gives it its offset
        delta = (when if when.tzinfo else when.replace(tzinfo=dt.UTC)) - _EPOCH
        return instant_of((delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds)
    except (ValueError, InvalidOperation) as error:
        raise Malformed(f"a time is not written like {form}") from error


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, Decimal)) else ""
