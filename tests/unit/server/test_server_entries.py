"""The doors over the whole log: a page has at least one entry, or its `next` would lead to itself for ever."""

from __future__ import annotations

from typing import Any, cast

import pytest

from remit.audit.finding import Found
from remit.audit.terms import Sought
from remit.server.door import Ask
from remit.server.http_entries import Entries


class Pages:
    """Stands in for the finder; notes how many are asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def page(self, _sought: Sought, *, before: int | None, most: int) -> Found:
        assert before is None
        self.asked.append(most)
        return Found()


@pytest.mark.parametrize(("said", "most"), [("0", 1), ("1", 1), ("7", 7)])
def test_a_page_has_at_least_one_entry(said: str, most: int) -> None:
    pages = Pages()
    doors = Entries(log=cast("Any", None), finder=cast("Any", pages), proving=cast("Any", None))
    doors.find(Ask(operator=cast("Any", None), path={}, query={"limit": said}))
    assert pages.asked == [most]
