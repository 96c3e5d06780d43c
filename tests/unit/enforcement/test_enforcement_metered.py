"""What of a call's result is counted, and in which calendar unit."""

from __future__ import annotations

from remit.enforcement.metered import Meter
from remit.kernel.clock import HOUR, Instant
from remit.policy.limits import AT_ONCE, Limit, reservation

NINE = Instant(494_000 * HOUR)
LIMIT = Limit("volume hour b s/t", "hour", 2 * AT_ONCE, None, volume=True)


def test_what_comes_in_another_hour_counts_in_that() -> None:
    """A counter of an hour that is over is swept away: who went on with it would find it empty again and again."""
    meter = Meter(reservation(LIMIT, {}, now=NINE), granted=100)
    last = Instant(NINE + HOUR - 1)
    assert meter.wants(100, now=last) is None
    meter.passed = 60
    wanted = meter.wants(50, now=last)
    assert wanted is not None
    assert (wanted.window, wanted.least) == (NINE, 10)
    wanted = meter.wants(50, now=Instant(NINE + HOUR))
    assert wanted is not None
    assert (wanted.key, wanted.window, wanted.expires) == (LIMIT.key, NINE + HOUR, NINE + 2 * HOUR)
    assert (wanted.amount, wanted.least, wanted.limit) == (AT_ONCE, 50, LIMIT.most)
    assert meter.left() == ()
