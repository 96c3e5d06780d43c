"""Rows that are worked out when they are shown say what the API says."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from remit.access.model import Boundary, BoundaryState
from remit.console.bounded import Bounded
from remit.console.tables import Column, Table, csv_text, shown
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import AgentName, BoundaryName, OwnerName, PurposeName
from remit.server import shapes

ONE = Boundary(
    boundary=BoundaryName("b"), version=3, agent=AgentName("a"), purpose=PurposeName("p"), rules={},
    not_after=Instant(20_000 * DAY), state=BoundaryState.ACTIVE, approved_by=OwnerName("dana"),
    approved_at=Instant(19_000 * DAY),
)  # fmt: skip
COLUMNS = tuple(Column(name=name, title=name) for name in ("boundary", "agent", "version", "not_after"))


@given(days=st.integers(1, 40_000), version=st.integers(1, 99))
def test_a_row_says_what_the_api_says(days: int, version: int) -> None:
    it = dataclasses.replace(ONE, not_after=Instant(days * DAY), version=version)
    said = shapes.boundary(it)
    assert dict(Bounded(it)).items() <= said.items()


@given(names=st.lists(st.text("ab-", min_size=1, max_size=4), max_size=9))
def test_a_table_of_them_is_sorted_and_is_there_as_a_file(names: list[str]) -> None:
    rows = [Bounded(dataclasses.replace(ONE, boundary=BoundaryName(name))) for name in names]
    table = Table(name="t", title="T", columns=COLUMNS, rows=rows, empty="none", sort="boundary")
    assert [row["boundary"] for row in shown(table, {}).rows] == sorted(names)
    assert len(csv_text(table).splitlines()) == 1 + len(names)
