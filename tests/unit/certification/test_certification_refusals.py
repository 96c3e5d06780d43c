"""An agent that is refused again and again on one day: said soon, and over after a quiet week."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.certification.noticing.refusals import LEAST_DENIED, LOOKED_BACK, QUIET_DAYS, denied_often, refused_day
from remit.certification.usage.days import Calls

TODAY = 20_700
BAD, GOOD = Calls(0, LEAST_DENIED, 0), Calls(500, 30, 2)
COUNTS = st.builds(Calls, st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))


@pytest.mark.parametrize(
    ("uses", "denied", "errors", "bad"),
    [
        (0, 19, 0, False),
        (0, 20, 0, True),
        (19, 20, 0, True),
        (20, 20, 0, False),
        (10, 20, 10, False),
        (0, 20, 19, True),
        (0, 0, 0, False),
    ],
)
def test_a_day_of_refusals(uses: int, denied: int, errors: int, *, bad: bool) -> None:
    assert refused_day(Calls(uses, denied, errors)) is bad


@given(COUNTS, st.integers(0, 60), st.integers(0, 60))
def test_more_refusals_never_speak_for_it_and_more_use_never_against(calls: Calls, more: int, used: int) -> None:
    if refused_day(calls):
        assert refused_day(calls._replace(denied=calls.denied + more))
    else:
        assert not refused_day(calls._replace(uses=calls.uses + used))


@pytest.mark.parametrize("ago", range(-1, QUIET_DAYS + 3))
def test_it_begins_at_once_and_ends_after_a_quiet_week(ago: int) -> None:
    days = {TODAY - ago: BAD, TODAY - ago - 20: BAD, TODAY: GOOD} if ago else {TODAY: BAD}
    assert denied_often(days, today=TODAY, on=False) is (0 <= ago <= LOOKED_BACK)
    assert denied_often(days, today=TODAY, on=True) is (0 <= ago <= QUIET_DAYS)


@given(st.dictionaries(st.integers(TODAY - 12, TODAY), COUNTS), st.integers(0, 30))
def test_it_never_flutters(days: dict[int, Calls], later: int) -> None:
    """What begins is not over on the same day, and without calls it is over within eight days and stays so."""
    if denied_often(days, today=TODAY, on=False):
        assert denied_often(days, today=TODAY, on=True)
    over = TODAY + QUIET_DAYS + 1 + later
    assert not denied_often(days, today=over, on=True)
    assert not denied_often(days, today=over, on=False)
