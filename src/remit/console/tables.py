"""Tables of the console: filtered, sorted and cut to a page by what the URL says; whole as CSV. Pure.

All state is in the URL, so that a view can be sent to somebody: `q` filters, `sort` names a column (`-` before it:
downwards), `page` counts from 1. A page with more than one table says `NAME.q` and so on.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["text", "code", "number", "percent", "time", "state", "tags"]
ROWS: Final = 50  # on a page
_LONGEST_FILTER: Final = 200
_NUMBERS: Final = frozenset({int, float})
_IN_NUMBERS: Final = frozenset("0123456789.+-einfa")  # inf and nan among them
# A spreadsheet takes a cell that begins so for a formula; the last four (full width) where it is set to Japanese.
_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `link`: a URL with `{name}` for members of the row, quoted when it is filled.

    `to` and `shown` name members of the row: a path that the page itself made, where each row leads elsewhere; and a
    shorter text that is shown instead of the cell, which is what is filtered, copied and taken.
    """

    name: str
    title: str
    kind: Kind = "text"
    link: str = ""
    to: str = ""
    shown: str = ""
    hint: str = ""  # what the title means, for who points at it


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows with columns. `empty`: what is said where there is none, and the command that makes some."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    empty: str
    command: str = ""
    sort: str = ""  # as long as the URL says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one page of a table shows."""

    table: Table
    rows: Sequence[Mapping[str, Any]]
    found: int  # rows that the filter lets through
    page: int
    pages: int
    sort: str
    filter: str
    prefix: str  # of the names in the URL


def shown(table: Table, query: Mapping[str, str], *, prefix: str = "", most: int = ROWS) -> Shown:
    """The rows that the URL asks for. What it says that makes no sense is as if it said nothing."""
    words = query.get(f"{prefix}q", "")[:_LONGEST_FILTER].lower().split()
    sort = query.get(f"{prefix}sort", table.sort)
    names = [each.name for each in table.columns]
    numbers = any(_IN_NUMBERS.issuperset(word) for word in words)
    rows = [row for row in table.rows if _has(row, names, words, numbers=numbers)] if words else list(table.rows)
    column = next((each for each in table.columns if each.name == sort.removeprefix("-")), None)
    if column is not None:
        rows.sort(key=lambda row: _key(row.get(column.name)), reverse=sort.startswith("-"))
    blank = {each.name: None for each in table.columns}  # a row may say nothing of a column
    pages = max(1, -(-len(rows) // most))
    asked = query.get(f"{prefix}page", "1")
    page = min(int(asked), pages) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 7 and int(asked) else 1  # noqa: PLR2004 - no page has a longer number
    return Shown(
        table=table, rows=[{**blank, **row} for row in rows[(page - 1) * most : page * most]], found=len(rows),
        page=page, pages=pages,
        sort=sort if column is not None else "", filter=" ".join(words), prefix=prefix,
    )  # fmt: skip


def csv_text(table: Table) -> str:
    """The whole table (RFC 4180). No cell is taken for a formula by who opens it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([column.name for column in table.columns])
    for row in table.rows:
        writer.writerow([_cell(row.get(column.name)) for column in table.columns])
    return out.getvalue()


def _cell(value: object) -> str:
    text = _plain(value)
    return f"'{text}" if text.startswith(_RUNS) and not isinstance(value, (int, float)) else text


def _has(row: Mapping[str, Any], names: Sequence[str], words: Sequence[str], *, numbers: bool) -> bool:
    """Whether each word stands in a cell. Asked of a hundred thousand rows: most cells are texts already.

    `numbers`: a word may stand in a number. To write all of those out takes as long as all the rest.
    """
    cells = [
        cell if type(cell := row.get(name)) is str
        else "" if cell is None or (type(cell) in _NUMBERS and not numbers)
        else _plain(cell)
        for name in names
    ]  # fmt: skip
    text = "\n".join(cells).lower()
    return all(word in text for word in words)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else "" if value is None else str(value)


def _key(value: object) -> tuple[int, float, str]:
    """Numbers before texts, and nothing at the end."""
    if value is None or value == "":
        return (2, 0.0, "")
    if isinstance(value, (int, float)):
        return (0, float(value), "")
    return (1, 0.0, _cell(value).lower())
