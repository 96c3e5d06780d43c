"""Times on pages: how long ago, or as they are, as who reads them wants."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from remit.console.frame import Now, ago
from remit.kernel.clock import DAY, HOUR, SECOND, Instant, rfc3339

moments = st.integers(0, 100 * 365 * DAY)


@given(at=moments, now=moments)
def test_who_wants_utc_reads_the_time_itself_to_the_second(at: int, now: int) -> None:
    said = ago(rfc3339(Instant(at)), Now(now, utc=True))
    assert datetime.strptime(said, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp() == at // SECOND


@given(at=moments, now=moments)
def test_else_it_is_how_far_away_it_is(at: int, now: int) -> None:
    said = ago(rfc3339(Instant(at)), Now(now))
    assert said == ago(at, now)
    assert said.startswith("in ") == (at - now >= SECOND)
    assert said.endswith(" ago") == (now - at >= SECOND)


def test_the_largest_unit_is_taken_and_what_is_no_time_is_nothing() -> None:
    assert ago(0, Now(2 * HOUR + 5 * SECOND)) == "2 h ago"
    assert ago(3 * DAY, Now(0)) == "in 3 d"
    assert [ago("soon", Now(0, utc=utc)) for utc in (True, False)] == ["", ""]
