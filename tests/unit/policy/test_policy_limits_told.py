"""What an agent's limits are told as: every one once, exactly, and what was used of it in the window that runs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.conditions import Conditions, Volume, Window
from remit.kernel.clock import DAY, HOUR, Instant
from remit.policy.limits import SCALE, limits_of, reservation, window_of
from remit.policy.limits_told import counted, told

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

    from remit.access.model import Boundary

OFFICE = Window(days=(0, 1, 2, 3, 4), start=8 * 60, end=18 * 60, zone="Europe/Berlin")
SUNDAY = Window(days=(6,), start=0, end=24 * 60, zone="UTC")


def bounded(build: Build, *windows: Window) -> Boundary:
    conditions = Conditions(windows=windows, volume=Volume(bytes=4_000_000, per="day"))
    pay = build.transfer_rule(rate=build.rate(10), budget=build.budget("2000.00"), conditions=conditions)
    return build.boundary(pay, build.rule("payments/list_invoices"))


def test_each_kind_says_what_it_counts_and_what_is_used(build: Build) -> None:
    boundary = bounded(build, OFFICE)
    used = dict(zip(counted([boundary], now=build.NOON), (1, 500 * SCALE + 1, 1_000_000), strict=True))
    rate, budget, volume, hours = told([boundary], lambda counter: used[counter], now=build.NOON)
    place = {"boundary": boundary.boundary, "purpose": "pay-invoices", "action": "payments/transfer"}
    none = {"argument": None, "windows": None, "open": None, "opens": None}
    assert rate == {
        **none, **place, "kind": "rate", "what": "calls a min", "per": "min", "max": 10, "used": 1,
        "used_millionths": 100_000, "resets": "2026-11-24T12:01:00.000000Z",
    }  # fmt: skip
    assert budget == {
        **none, **place, "kind": "budget", "what": "sum of amount a day", "argument": "amount", "per": "day",
        "max": "2000.00", "used": "500.0001", "used_millionths": 250_000, "resets": "2026-11-25T00:00:00.000000Z",
    }  # fmt: skip
    assert volume == {
        **none, **place, "kind": "volume", "what": "bytes of results a day", "per": "day", "max": 4_000_000,
        "used": 1_000_000, "used_millionths": 250_000, "resets": "2026-11-25T00:00:00.000000Z",
    }  # fmt: skip
    assert hours == {
        **dict.fromkeys(rate), **place, "kind": "hours",
        "what": "hours: mon, tue, wed, thu, fri 08:00-18:00 Europe/Berlin",
        "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00",
                     "zone": "Europe/Berlin"}],
        "open": True, "opens": "2026-11-24T12:00:00.000000Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("windows", "at", "open_", "opens"),
    [
        ((OFFICE,), 6 * HOUR, False, "2026-11-25T07:00:00.000000Z"),  # 19:00 in Berlin
        ((OFFICE, SUNDAY), 5 * DAY, True, "2026-11-29T12:00:00.000000Z"),
        ((replace(OFFICE, zone="Mars/Olympus_Mons"),), 0, False, None),  # taken out of the zones since it was approved
    ],
)
def test_hours_say_whether_they_are_open_and_when_they_open(
    build: Build, windows: tuple[Window, ...], at: int, *, open_: bool, opens: str | None
) -> None:
    *_, hours = told([bounded(build, *windows)], lambda _: 0, now=Instant(build.NOON + at))
    assert (hours["open"], hours["opens"]) == (open_, opens)


def test_what_has_ended_bounds_nothing(build: Build) -> None:
    boundary = bounded(build, OFFICE)
    assert told([boundary], lambda _: 0, now=Instant(build.END - 1)) != []
    assert told([boundary], lambda _: 0, now=build.END) == []


PER = st.sampled_from(["min", "hour", "day"])
AMOUNTS = st.integers(1, 10**9).map(lambda units: Decimal(units) / 100)


@given(count=st.integers(1, 10**6), per=PER, most=AMOUNTS, asked=st.lists(AMOUNTS, max_size=5), data=st.data())
def test_what_calls_reserve_is_what_is_told_to_be_used(
    build: Build, *, count: int, per: str, most: Decimal, asked: list[Decimal], data: st.DataObject
) -> None:
    """The counters are those of the decision, and nothing is rounded but the share, which is rounded down."""
    rule = build.rule(rate=build.rate(count, per), budget=build.budget(str(most), per))
    boundary, now = build.boundary(rule), Instant(build.NOON + data.draw(st.integers(0, 40 * DAY)))
    used: dict[Any, int] = {}
    for amount in asked:
        for limit in limits_of(boundary, rule):
            effect = reservation(limit, {"amount": amount}, now=now)
            key = (effect.key, effect.window)
            used[key] = used.get(key, 0) + effect.amount
    wanted = counted([boundary], now=now)
    assert wanted == [(each.key, window_of(each, now)) for each in limits_of(boundary, rule)]
    assert set(used) <= set(wanted)
    rate, budget = told([boundary], lambda counter: used.get(counter, 0), now=now)
    assert (rate["max"], rate["used"]) == (count, len(asked))
    assert (Decimal(budget["max"]), Decimal(budget["used"])) == (most, sum(asked))
    for row in (rate, budget):
        share = Decimal(row["used"]) / Decimal(row["max"])
        assert 0 <= share * 1_000_000 - row["used_millionths"] < 1
