"""Calls that come to nothing are counted by the day, beside the use and without a trace in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import ActivationKey
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.policy.activations import Activations, Vain

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

KEY = ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("s/t"), "s")
STEPS = st.lists(st.tuples(st.sampled_from(["used", "denied", "failed"]), st.integers(0, 5 * 24)), max_size=40)


def after(steps: list[tuple[str, int]], *only: str) -> Activations:
    known = Activations()
    for what, hours in steps:
        if what in only:
            getattr(known, what)(KEY, Instant(hours * HOUR))
    return known


@given(STEPS)
def test_refusals_and_failures_leave_use_as_it_is(steps: list[tuple[str, int]]) -> None:
    mixed, alone = after(steps, "used", "denied", "failed").take_seen(), after(steps, "used").take_seen()
    assert (mixed.days, mixed.runs) == (alone.days, alone.runs)
    assert alone.vain == {}


@given(STEPS)
def test_each_is_counted_on_its_day(steps: list[tuple[str, int]]) -> None:
    known = after(steps, "denied", "failed")
    expected: dict[tuple[ActivationKey, int], list[tuple[str, int]]] = {}
    for what, hours in steps:
        if what != "used":
            expected.setdefault((KEY, hours * HOUR // DAY), []).append((what, hours))
    assert known.take_seen().vain == {
        of: Vain(
            sum(what == "denied" for what, _ in found),
            sum(what == "failed" for what, _ in found),
            Instant(min(hours for _, hours in found) * HOUR),
            Instant(max(hours for _, hours in found) * HOUR),
        )
        for of, found in expected.items()
    }
    assert known.take_seen().vain == {}


@given(STEPS, st.integers(0, 40))
def test_what_could_not_be_written_is_written_with_the_next(steps: list[tuple[str, int]], at: int) -> None:
    known = after(steps[:at], "denied", "failed")
    seen = known.take_seen()
    for what, hours in steps[at:]:
        if what != "used":
            getattr(known, what)(KEY, Instant(hours * HOUR))
    known.unwritten([], seen)
    assert known.take_seen().vain == after(steps, "denied", "failed").take_seen().vain


@pytest.mark.parametrize("what", ["denied", "failed"])
def test_an_activation_does_not_notice(build: Build, what: str) -> None:
    stored = build.activation()
    known = Activations(lambda: Micros(7))
    known.load(stored.key.agent, lambda: [stored])
    getattr(known, what)(stored.key, Instant(build.NOON + HOUR))
    assert known.find(stored.key) == stored
    assert known.take_unwritten() == []
