"""What comes back without a person, and what does not; how long it lasts; what counts as use."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import ActivationKey, ActivationState, Usage, activation_id
from remit.access.reactivate import ATTESTED_WITHIN, Ask, Refusal, counts, reactivate
from remit.access.ttl import habit_of, q95, ttl
from remit.catalog.model import Tier
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import ActionName, AgentName, PurposeName

LAPSED = ActivationState.LAPSED


def ask(tier: Tier = Tier.MEDIUM, state: ActivationState | None = LAPSED, **changes: Any) -> Ask:
    return dataclasses.replace(
        Ask(tier=tier, state=state, chosen=False, same_version=True, risk=0, attested=0), **changes
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (ask(Tier.LOW, None), None),
        (ask(Tier.MEDIUM, None), None),
        (ask(Tier.HIGH, None), Refusal.OWNER),
        (ask(Tier.HIGH, None, chosen=True), None),
        (ask(Tier.HIGH, None, chosen=True, attested=99 * DAY), None),
        (ask(Tier.CRITICAL, None), None),
        (ask(Tier.LOW), None),
        (ask(Tier.MEDIUM), None),
        (ask(Tier.HIGH), None),
        (ask(Tier.HIGH, attested=ATTESTED_WITHIN), None),
        (ask(Tier.HIGH, attested=ATTESTED_WITHIN + 1), Refusal.ATTEST),
        (ask(Tier.MEDIUM, attested=99 * DAY), None),
        (ask(Tier.CRITICAL), Refusal.OWNER),
        (ask(Tier.CRITICAL, chosen=True), Refusal.OWNER),
        (ask(Tier.HIGH, same_version=False), Refusal.OWNER),
        (ask(Tier.MEDIUM, same_version=False), None),
        (ask(Tier.MEDIUM, risk=500_000), Refusal.RISK),
        (ask(Tier.MEDIUM, risk=499_999), None),
        (ask(Tier.LOW, None, risk=500_000), Refusal.RISK),
    ],
)
def test_as_the_table_says(question: Ask, answer: Refusal | None) -> None:
    assert reactivate(question) is answer


@given(st.sampled_from(Tier), st.sampled_from(ActivationState), st.booleans())
def test_what_a_person_stopped_only_a_person_starts(tier: Tier, state: ActivationState, chosen: bool) -> None:  # noqa: FBT001 - drawn
    if state is not LAPSED:
        assert reactivate(ask(tier, state, chosen=chosen)) is Refusal.OWNER


def test_a_first_use_is_not_charged_and_starting_again_is() -> None:
    assert not counts(ask(state=None))
    assert counts(ask(state=LAPSED))


@pytest.mark.parametrize(
    ("tier", "usage", "days"),
    [
        (Tier.CRITICAL, Usage(Instant(0), Micros(0), 50, (90,) * 20), 1),
        (Tier.HIGH, Usage(Instant(0), Micros(0), 50, (90,) * 20), 14),
        (Tier.MEDIUM, Usage(Instant(0), Micros(0), 2, (90,)), 30),
        (Tier.MEDIUM, Usage(Instant(0), Micros(0), 3, (10, 10)), 30),
        (Tier.MEDIUM, Usage(Instant(0), Micros(0), 3, (1, 1)), 14),
        (Tier.MEDIUM, Usage(Instant(0), Micros(0), 3, (90, 90)), 180),
        (Tier.LOW, Usage(Instant(0), Micros(0), 3, (10, 10)), 50),
        (Tier.LOW, Usage(Instant(0), Micros(0), 3, (99, 99)), 365),
        (Tier.LOW, Usage(Instant(0), Micros(0), 0, ()), 30),
    ],
)
def test_the_window_follows_the_tier_and_the_habit(tier: Tier, usage: Usage, days: int) -> None:
    assert ttl(tier, habit_of(usage)) == days * DAY
    assert ttl(tier, habit_of(usage, shorter=Micros(HOUR))) == HOUR
    assert ttl(tier, habit_of(usage, shorter=Micros(9999 * DAY))) == days * DAY


@pytest.mark.parametrize(
    ("tier", "cycles", "cadence", "days"),
    [
        (Tier.HIGH, (), 31, 46.5),  # a declared month is 46 days and a half
        (Tier.HIGH, (), 5, 14),  # and never shortens
        (Tier.HIGH, (100, 130, 190), None, 28),  # three times back within 90 days: twice as long, once
        (Tier.HIGH, (100, 130, 191), None, 14),
        (Tier.HIGH, (130, 190), None, 14),
        (Tier.HIGH, (1, 100, 130, 190), None, 28),
        (Tier.MEDIUM, (100, 130, 190), 100, 150),
        (Tier.CRITICAL, (100, 130, 190), 31, 1),  # money does not last for being needed now and then
    ],
)
def test_what_comes_and_goes_lasts_longer(
    tier: Tier, cycles: tuple[int, ...], cadence: int | None, days: float
) -> None:
    micros = None if cadence is None else cadence * DAY
    assert ttl(tier, habit_of(Usage(Instant(0), Micros(0)), cycles, cadence=micros)) == int(days * DAY)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_the_percentile_is_a_gap_that_19_of_20_do_not_exceed(gaps: list[int]) -> None:
    found = q95(gaps)
    assert found in gaps
    assert sum(gap <= found for gap in gaps) * 100 >= 95 * len(gaps)
    assert all(sum(gap <= smaller for gap in gaps) * 100 < 95 * len(gaps) for smaller in gaps if smaller < found)


def test_only_days_count_as_use() -> None:
    begun = Usage(Instant(10 * DAY), Micros(0))
    once = begun.after(Instant(10 * DAY + HOUR), Micros(5))
    assert (once.days, once.gaps, once.covered) == (1, (), 5)
    again = once.after(Instant(10 * DAY + 2 * HOUR), Micros(7))
    assert (again.days, again.gaps, again.last) == (1, (), 10 * DAY + 2 * HOUR)
    later = again.after(Instant(13 * DAY), Micros(9))
    assert (later.days, later.gaps) == (2, (3,))
    assert later.after(Instant(12 * DAY), Micros(9)) == later


@given(st.lists(st.integers(0, 300 * DAY), min_size=1, max_size=40))
def test_seeing_uses_twice_changes_nothing(times: list[int]) -> None:
    usage = Usage(Instant(0), Micros(0))
    for at in sorted(times):
        usage = usage.after(Instant(at), Micros(at))
    again = usage
    for at in sorted(times):
        again = again.after(Instant(at), Micros(at))
    assert again == usage
    assert usage.days == len({at // DAY for at in times})
    assert len(usage.gaps) <= 20


def test_an_id_follows_from_the_key() -> None:
    key = ActivationKey(AgentName("a"), PurposeName("p"), ActionName("s/t"), "s")
    assert activation_id(key) == activation_id(ActivationKey(*key))
    assert activation_id(key) != activation_id(key._replace(agent=AgentName("b")))
    assert len(activation_id(key)) == 30


def test_the_last_use_of_a_day_is_the_one_that_counts() -> None:
    """Idleness is measured from it on both clocks; counting days must not cost a day."""
    begun = Usage(Instant(10 * DAY), Micros(100)).after(Instant(10 * DAY + HOUR), Micros(100 + HOUR))
    later = begun.after(Instant(11 * DAY - 1), Micros(99 * HOUR))
    assert (later.days, later.last, later.covered) == (1, 11 * DAY - 1, 99 * HOUR)
    assert later.after(Instant(12 * DAY), Micros(1)).covered == 99 * HOUR  # a coverage clock never goes back


def test_a_use_on_a_clock_that_was_set_back_counts_on_the_coverage_clock() -> None:
    # Seen once while the clock was a year ahead: until it has caught up, no use would be newer than that one.
    ahead = Usage(Instant(0), Micros(0)).after(Instant(365 * DAY), Micros(HOUR))
    assert ahead.after(Instant(2 * DAY), Micros(2 * HOUR)) == Usage(Instant(365 * DAY), Micros(2 * HOUR), 1)
    assert ahead.after(Instant(2 * DAY), Micros(HOUR)) == ahead
    assert ahead.after(Instant(2 * DAY), Micros(0)) == ahead
