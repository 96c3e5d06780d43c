"""Names of arguments that some server takes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.http_names import alike

NAME = st.text("abA_-.[]é", min_size=1, max_size=6)


@pytest.mark.parametrize(
    "other", ["Amount", "AMOUNT", "amount ", " amount", "amount[]", "amount[0]", "a.mount", "a_mount", "\uff41mount"]
)
def test_names_that_are_one_for_some(other: str) -> None:
    assert set(alike(["x", "amount", other], {"x"}) or ()) == {"amount", other}
    assert set(alike([other, "amount"], {"amount"}) or ()) == {"amount", other}
    assert alike(["amount", other], {"amount", other}) is None


def test_names_that_are_two_for_all() -> None:
    assert alike(["filter[a]", "filter[b]", "sort", "-", "."], ()) is None


@given(st.lists(NAME, unique=True, max_size=5), st.sets(NAME))
def test_the_order_does_not_count_and_what_is_told_is_there(names: list[str], known: set[str]) -> None:
    found = alike(names, known)
    assert (alike(names[::-1], known) is None) == (found is None)
    assert found is None or (set(found) <= set(names) and len(set(found)) == 2 and not set(found) <= known)
