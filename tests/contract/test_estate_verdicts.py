"""What is judged day by day, and only where something moved, is what judging everything comes to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remit.access.activation import ActivationState
from remit.catalog.model import Tier
from remit.certification.estate.duck import DuckEstate
from remit.certification.estate.judging import STATES, Bench, Terms
from remit.certification.estate.model import Event, Start
from remit.certification.estate.plain import PlainEstate
from remit.certification.estate.ports import Estate
from remit.certification.estate.verdicts import Verdicts, changed, differences, full, incremental, judging
from remit.certification.usage.windows import windows
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.policy.entitlement import Holder

MANY, FIRST, DAYS = 60, 20_000, 120
OK = Holder(version="1", state="active", owner_active=True, risk=0)
RISKY = Holder(version="1", state="active", owner_active=True, risk=700_000)
TERMS = tuple(
    Terms(tier=tier, holder=holder, version="1", shorter=shorter)
    for tier in Tier
    for holder in (OK, RISKY)
    for shorter in (None, Micros(6 * DAY))
)
STARTS = [Start(eid, eid % len(TERMS), FIRST * DAY + eid, eid) for eid in range(MANY)]
# Nothing was recorded for four days, and critical entitlements must not be kept for that long.
COMPLETE = windows([(0, (FIRST + 40) * DAY), ((FIRST + 44) * DAY, (FIRST + DAYS) * DAY)])


def day_of(day: int) -> list[Event]:
    """What is used on a day: each entitlement every so often, the first ones not at all."""
    order = random.Random(day)
    found = [
        Event(0, day * 1000 + eid, eid, (FIRST + day) * DAY + order.randrange(24) * HOUR)
        for eid in range(5, MANY)
        if day % (1 + eid % 31) == 0
    ]
    order.shuffle(found)
    return found


@contextmanager
def duck(folder: Path) -> Iterator[Estate]:
    estate = DuckEstate.open(folder, memory="500MB")
    yield estate
    estate.close()


@contextmanager
def plain(_folder: Path) -> Iterator[Estate]:
    with PlainEstate.in_memory() as estate:
        yield estate


def bench(day: int) -> Bench:
    return Bench(now=Instant((FIRST + day) * DAY), windows=COMPLETE, terms=TERMS)


@pytest.mark.parametrize("opened", [plain, duck])
def test_day_by_day_is_everything_at_once(opened: Callable[..., Iterator[Estate]], tmp_path: Path) -> None:
    stands, judged, states = Verdicts(), 0, set[ActivationState]()
    with opened(tmp_path) as estate:  # type: ignore[attr-defined]
        estate.start(STARTS)
        estate.load(day_of(0))
        estate.roll_up()
        with judging(bench(1)) as judge:
            stands = full(estate, judge=judge)
        for day in range(1, DAYS):
            estate.load(day_of(day))
            dirty, before = estate.roll_up(), stands
            now = bench(day + 1)
            with judging(now) as judge:
                stands, few = incremental(estate, before, dirty, now=now.now, judge=judge)
                whole = full(estate, before, judge=judge)
            assert differences(stands, whole) == []
            assert (stands.root(), changed(before, stands)) == (whole.root(), changed(before, whole))
            judged += few
            states |= {STATES[at] for at in stands.states}
    assert judged < MANY * DAYS / 3
    assert states >= {
        ActivationState.ACTIVE, ActivationState.EXPIRING, ActivationState.LAPSED, ActivationState.AT_RISK,
        ActivationState.NEEDS_HUMAN, ActivationState.NEEDS_USAGE,
    }  # fmt: skip


def test_two_processes_and_another_order_come_to_the_same_bytes(tmp_path: Path) -> None:
    told = [event for day in range(DAYS) for event in day_of(day)]
    roots = []
    for processes, seed in ((1, 1), (2, 2)):
        again = [*told, *told[::3]]
        random.Random(seed).shuffle(again)
        folder = tmp_path / str(processes)
        folder.mkdir()
        with duck(folder) as estate, judging(bench(DAYS), processes) as judge:
            estate.start(STARTS)
            for at in range(0, len(again), 100):
                estate.load(again[at : at + 100])
            estate.roll_up()
            roots.append(full(estate, judge=judge).root())
    assert roots[0] == roots[1]
