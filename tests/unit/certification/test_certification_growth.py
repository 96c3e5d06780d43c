"""The figures of privilege: shares that are shares, an index that moves the right way, sums that add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.weight import LEVELS, weight
from remit.catalog.model import Tier
from remit.certification.posture.growth import (
    WINDOW,
    Tally,
    creep_index,
    figures,
    in_force,
    over_privilege,
    ranked,
    tally,
    used_lately,
)
from remit.certification.posture.hazard import MILLION, SHIPPED
from remit.certification.posture.privilege import Reach, Standing
from remit.certification.posture.row import Row, row_from, row_text
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName

NOON = Instant(1_795_521_600_000_000)
S = ActivationState


def activation(**changes: Any) -> Activation:
    parts: dict[str, Any] = {
        "key": ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("s/t"), "s"),
        "boundary": BoundaryName("b"), "boundary_version": 1, "agent_version": "1", "state": S.ACTIVE,
        "since": NOON - 100 * DAY, "started": NOON - 100 * DAY, "by": "", "serial": 1,
        "usage": Usage(Instant(NOON - DAY), Micros(0), 9),
    }  # fmt: skip
    return Activation(**(parts | changes))


def standing(tier: Tier = Tier.LOW, reach: Reach = Reach.DIRECT, *, idle: int = DAY, **changes: Any) -> Standing:
    known = activation(**changes)
    return Standing(
        key=known.key, boundary="b", tier=tier, state=known.state.value, reason="", reach=reach, activation=known,
        left=None, idle=idle, quiet=reach,
    )  # fmt: skip


def summed(*standings: Standing) -> Tally:
    return tally(standings, (), table=SHIPPED, now=NOON)


def used(days: int | None) -> Activation | None:
    return None if days is None else activation(usage=Usage(NOON, Micros(0), days))


STANDINGS = st.lists(
    st.builds(
        lambda tier, reach, idle, days: replace(standing(tier, reach, idle=idle), activation=used(days)),
        st.sampled_from(Tier), st.sampled_from(Reach), st.integers(0, 500 * DAY), st.none() | st.integers(0, 60),
    ),
    max_size=12,
)  # fmt: skip


@given(STANDINGS)
def test_shares_are_shares(found: list[Standing]) -> None:
    sums = summed(*found)
    assert 0 <= over_privilege(sums) <= MILLION
    assert 0 <= creep_index(sums) <= 10_000
    assert sums.used <= sums.granted == sums.direct + sums.latent + sums.person
    assert sums.granted_weight == sums.direct_weight + sums.latent_weight + sums.person_weight
    assert sums.standing <= 1000 * sums.granted_weight
    assert figures(sums)["unused"] == sums.granted - sums.used


@given(STANDINGS, STANDINGS)
def test_the_figures_of_several_are_those_of_their_sums(one: list[Standing], other: list[Standing]) -> None:
    assert summed(*one) + summed(*other) == summed(*one, *other)
    assert summed(*one) + Tally() == summed(*one)


@given(st.sampled_from(Tier), st.integers(0, 500), st.integers(0, 500), st.integers(1, 60))
def test_the_index_rises_with_silence(tier: Tier, a: int, b: int, days: int) -> None:
    def index(idle: int) -> int:
        return creep_index(summed(standing(tier, idle=idle * DAY, usage=Usage(NOON, Micros(0), days))))

    assert index(min(a, b)) <= index(max(a, b))


def test_the_index_falls_with_use_and_by_weight() -> None:
    often, seldom = Usage(NOON, Micros(0), 40), Usage(NOON, Micros(0), 1)
    assert creep_index(summed(standing(usage=often))) < creep_index(summed(standing(usage=seldom)))
    heavy = summed(standing(Tier.CRITICAL, idle=400 * DAY), standing(usage=often))
    light = summed(standing(Tier.LOW, idle=400 * DAY), standing(Tier.CRITICAL, usage=often))
    assert creep_index(heavy) > creep_index(light)


def test_the_published_formula_by_hand() -> None:
    # 40 points idle for 45 days with 8 days of use: p = .334500; 1 point used yesterday on 8 days: p = .917500.
    sums = summed(
        standing(Tier.CRITICAL, idle=45 * DAY, usage=Usage(NOON, Micros(0), 8)),
        standing(Tier.LOW, idle=DAY, usage=Usage(NOON, Micros(0), 8)),
    )
    assert creep_index(sums) == (40 * 665_500 + 82_500) // (41 * 100) == 6512
    assert figures(sums)["creep"] == "medium"


@pytest.mark.parametrize(
    ("index", "word"), [(0, "low"), (3399, "low"), (3400, "medium"), (6699, "medium"), (6700, "high")]
)
def test_the_buckets(index: int, word: str) -> None:
    assert figures(Tally(granted=1, granted_weight=1, creep=index * 100))["creep"] == word


def test_unused_is_what_a_complete_record_shows_no_use_of() -> None:
    assert used_lately(standing(idle=WINDOW - 1))
    assert not used_lately(standing(idle=WINDOW))
    assert not used_lately(standing(idle=0, usage=Usage(NOON, Micros(0), 0)))
    sums = summed(standing(Tier.HIGH, idle=WINDOW), standing(Tier.HIGH), standing(Tier.CRITICAL, Reach.NONE))
    assert (sums.granted, sums.used, over_privilege(sums)) == (2, 1, 500_000)


@pytest.mark.parametrize(
    ("changes", "for_"),
    [
        ({}, DAY),
        ({"started": NOON - HOUR}, HOUR),
        ({"state": S.LAPSED, "since": NOON - 6 * HOUR}, 18 * HOUR),
        ({"state": S.LAPSED, "since": NOON - 2 * DAY}, 0),
        ({"state": S.AT_RISK, "since": NOON - HOUR}, DAY),
        ({"state": S.SUSPENDED, "since": NOON - HOUR, "started": NOON - 3 * HOUR}, 2 * HOUR),
    ],
)
def test_standing_privilege_is_the_time_in_force(changes: dict[str, Any], for_: int) -> None:
    it = standing(Tier.MEDIUM, **changes)
    assert in_force(it, NOON) == for_
    assert summed(it).standing == 3 * (1000 * for_ // DAY)
    assert in_force(replace(it, activation=None), NOON) == 0


def test_the_time_from_last_use_to_withdrawal() -> None:
    gone = [
        activation(state=S.LAPSED, since=NOON - DAY, usage=Usage(Instant(NOON - DAY - hours * HOUR), Micros(0), 1))
        for hours in (24, 24, 30, 500)
    ]
    old = activation(state=S.LAPSED, since=Instant(NOON - WINDOW), usage=Usage(Instant(0), Micros(0), 1))
    still = activation(since=Instant(NOON - DAY))
    sums = tally((), [*gone, old, still], table=SHIPPED, now=NOON)
    assert sums.withdrawn == {24: 2, 30: 1, 500: 1}
    assert figures(sums)["withdrawn_after_hours"] == {"median": 24, "p95": 500}
    assert figures(Tally())["withdrawn_after_hours"] == {"median": None, "p95": None}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 100))
def test_the_percentile_is_by_nearest_rank(values: list[int], percent: int) -> None:
    counts = {value: values.count(value) for value in values}
    assert ranked(counts, percent) == sorted(values)[-(-percent * len(values) // 100) - 1]


@given(STANDINGS, st.dictionaries(st.integers(0, 999), st.integers(1, 9), max_size=5))
def test_a_row_comes_back_as_it_was(found: list[Standing], withdrawn: dict[int, int]) -> None:
    sums = replace(summed(*found), withdrawn=withdrawn, instances=2, max_instances=5)
    row = Row(sums=sums, table=SHIPPED.sha256, owner="dana", stand_ins=("lee", "mo"), max_children=3)
    assert row_from(row_text(row)) == row


def test_weights() -> None:
    assert [weight(tier) for tier in Tier] == [40, 10, 3, 1]
    assert LEVELS[Tier.CRITICAL] == 40
    assert weight(Tier.HIGH, sensitivity=10, resources=1) == 100
    assert [weight(Tier.LOW, resources=many) for many in (1, 2, 3, 4, 1024)] == [1, 2, 2, 3, 11]
    for wrong in ({"sensitivity": 0}, {"sensitivity": 11}, {"resources": 0}):
        with pytest.raises(ValueError, match="a sensitivity"):
            weight(Tier.LOW, **wrong)
