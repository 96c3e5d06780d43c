"""Signals, and how risky they make an agent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.parameters import SHIPPED
from remit.agents.risk import CALM, QUIET, Risk, moved, signal_of
from remit.agents.signals import DOUBTS, MOST, RISKS, Noticed, Signal, risk_of
from remit.kernel.clock import HOUR, Instant
from remit.kernel.errors import Malformed

NOON = Instant(1_795_521_600_000_000)
noticed = st.lists(st.builds(Noticed, st.sampled_from(Signal), st.sampled_from(["", "a", "b"]), st.just(NOON)))


def test_calm_is_one_number_everywhere() -> None:
    assert SHIPPED.calm == CALM


def test_every_signal_has_its_place_in_the_table() -> None:
    assert set(RISKS) == set(Signal)
    assert all(0 < each <= MOST for each in RISKS.values())


@given(noticed, st.integers(0, MOST))
def test_a_kind_counts_once_and_a_persons_word_is_not_undercut(found: list[Noticed], said: int) -> None:
    risk = risk_of(found, said)
    assert risk == risk_of([*found, *found], said)
    assert said <= risk <= MOST
    assert risk >= max((RISKS[each.signal] for each in found), default=0)


@given(noticed, noticed)
def test_more_signals_are_never_less_risk(some: list[Noticed], more: list[Noticed]) -> None:
    assert risk_of([*some, *more]) >= risk_of(some)


def test_an_anomaly_alone_stops_nothing_and_with_drift_all_automatic_starts() -> None:
    anomaly, drift = Noticed(Signal.ANOMALY, "", NOON), Noticed(Signal.PURPOSE_DRIFT, "work", NOON)
    assert risk_of([anomaly]) < SHIPPED.calm
    assert SHIPPED.at_risk <= risk_of([anomaly, drift])


def test_it_is_calm_from_the_moment_on_at_which_little_was_left() -> None:
    risky = moved(QUIET, said=600_000, noticed=(), now=NOON)
    still = moved(risky, said=500_001, noticed=(), now=Instant(NOON + HOUR))
    calm = moved(still, said=500_000, noticed=(), now=Instant(NOON + 2 * HOUR))
    later = moved(calm, said=0, noticed=(), now=Instant(NOON + 3 * HOUR))
    assert (risky.calm, still.calm) == (QUIET.calm, QUIET.calm)
    assert calm == Risk(500_000, 500_000, Instant(NOON + 2 * HOUR), ())
    assert later.calm == calm.calm


def test_no_other_signals() -> None:
    assert signal_of("critical") is Signal.CRITICAL
    with pytest.raises(Malformed):
        signal_of("bored")


@pytest.mark.parametrize("doubt", sorted(DOUBTS))
def test_and_from_when_the_newest_doubt_was_over(doubt: Signal) -> None:
    one, other = Noticed(doubt, "a", NOON), Noticed(doubt, "b", NOON)
    doubted = moved(QUIET, said=0, noticed=(one, other), now=NOON)
    assert doubted.calm == QUIET.calm
    less = moved(doubted, said=0, noticed=(other,), now=Instant(NOON + HOUR))
    assert less.calm == NOON + HOUR
    anew = moved(less, said=0, noticed=(one, other), now=Instant(NOON + 2 * HOUR))
    assert anew.calm == NOON + HOUR, "that it begins is no end"
    assert moved(anew, said=0, noticed=(), now=Instant(NOON + 3 * HOUR)).calm == NOON + 3 * HOUR


def test_no_end_of_another_signal_does_that() -> None:
    found = (Noticed(Signal.OWNER_ON_LEAVE, "", NOON),)
    assert moved(moved(QUIET, said=0, noticed=found, now=NOON), said=0, noticed=(), now=NOON) == QUIET
