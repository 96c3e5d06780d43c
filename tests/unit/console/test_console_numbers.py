"""What a person says yes to is what their page showed: a form that does not say which is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.console.pages import boundary, reviews
from remit.console.pages.model import number
from remit.kernel.errors import Malformed


class Looks:
    """A page of one thing, and what was asked of the API for it."""

    def __init__(self) -> None:
        self.path = {"name": "pay", "question": "que_x"}
        self.asked: list[Any] = []

    def get(self, *asked: Any, **_query: Any) -> Any:
        self.asked.append(asked)
        return {"questions": []}

    def act(self, *asked: Any) -> Any:
        self.asked.append(asked)
        return {"version": 2, "rules": []}


@given(st.integers(0, 10**9 - 1))
def test_a_number_is_what_it_says(said: int) -> None:
    assert number({"version": str(said)}, "version") == said


@pytest.mark.parametrize("said", [None, "", "-1", "1.0", " 1", "1\n", "\u00b2", "\u0661", "9" * 10, "x"])
def test_what_is_no_number_is_refused_and_nothing_is_asked(said: str | None) -> None:
    look: Any = Looks()
    form = {} if said is None else {"version": said, "shown": said}
    for act in (boundary.approve, reviews.answer):
        with pytest.raises(Malformed):
            act(look, {"said": "keep", **form})
    assert look.asked == []


def test_a_yes_goes_to_the_version_that_was_shown() -> None:
    look: Any = Looks()
    boundary.approve(look, {"version": "2"})
    assert look.asked == [("POST", "/v1/boundaries/pay/approve", {"version": 2})]
