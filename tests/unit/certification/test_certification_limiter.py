"""How much may lapse in a day before a person is asked."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.doubt import Doubt, DoubtState
from remit.certification.doubting import canary_of
from remit.certification.limiter import EVERYONE, Estate, Place, counted, too_many
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName

NOW = Instant(400 * DAY)
LAPSED = ActivationState.LAPSED


def habit(days: int) -> Activation:
    return Activation(
        key=ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("s/read"), "s"),
        boundary=BoundaryName("b"), boundary_version=1, agent_version="1", state=ActivationState.ACTIVE, since=NOW,
        started=NOW, by="", serial=1, usage=Usage(NOW, Micros(0), days),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("days", "state", "reason", "counts"),
    [
        (3, LAPSED, "idle", True),
        (2, LAPSED, "idle", True),
        (1, LAPSED, "idle", True),
        (0, LAPSED, "idle", False),
        (3, LAPSED, "ended", False),
        (3, ActivationState.REVOKED, "boundary_ended", False),
        (3, ActivationState.EXPIRING, "idle", False),
    ],
)
def test_what_counts_is_the_end_of_use(days: int, state: ActivationState, reason: str, *, counts: bool) -> None:
    before = habit(days)
    assert counted(before, dataclasses.replace(before, state=state), reason) is counts


@pytest.mark.parametrize(
    ("lapses", "estate", "found"),
    [
        ({("s", "a"): 5}, Estate(3000, {"a": 40}), set()),
        ({("s", "a"): 6}, Estate(3000, {"a": 40}), {Place("s", "a")}),
        ({("s", "a"): 10}, Estate(3000, {"a": 200}), set()),  # 5 % of its 200
        ({("s", "a"): 11}, Estate(3000, {"a": 200}), {Place("s", "a")}),
        ({("s", f"a{at}"): 1 for at in range(30)}, Estate(3000, {}), set()),  # 1 % of all
        ({("s", f"a{at}"): 1 for at in range(31)}, Estate(3000, {}), {Place("s", EVERYONE)}),
        ({("s", f"a{at}"): 1 for at in range(11)}, Estate(20, {}), {Place("s", EVERYONE)}),
        ({("s", f"a{at}"): 1 for at in range(10)}, Estate(20, {}), set()),
        # One server in doubt is not the other's: and its agents are not named beside it.
        ({("s", "a"): 40, ("t", "a"): 6}, Estate(3000, {"a": 40}), {Place("s", EVERYONE), Place("t", "a")}),
    ],
)
def test_more_than_that_is_too_many(lapses: dict[tuple[str, str], int], estate: Estate, found: set[Place]) -> None:
    assert too_many([Place(*place) for place, count in lapses.items() for _ in range(count)], estate) == found


@given(st.lists(st.tuples(st.sampled_from("st"), st.sampled_from("abc")), max_size=80), st.integers(0, 5000))
def test_more_lapses_are_never_fewer_doubts(places: list[tuple[str, str]], size: int) -> None:
    lapses, estate = [Place(*each) for each in places], Estate(size, dict.fromkeys("abc", size // 3))

    def stopped(found: set[Place], place: Place) -> bool:
        return place in found or Place(place.server, EVERYONE) in found

    fewer, more = too_many(lapses, estate), too_many([*lapses, *lapses], estate)
    assert all(stopped(more, place) for place in lapses if stopped(fewer, place))


@given(st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=300))
def test_a_canary_is_one_of_a_hundred_and_nobody_chooses_it(agents: set[str]) -> None:
    few = canary_of(agents, "s")
    assert len(few) == max(1, len(agents) // 100)
    assert set(few) <= agents
    assert few == canary_of(sorted(agents, reverse=True), "s")


@pytest.mark.parametrize(
    ("about", "state", "holds"),
    [
        ("", DoubtState.DOUBTED, {"a", "b", "c"}),
        ("", DoubtState.CANARY, {"b", "c"}),
        ("", DoubtState.OVER, set()),
        ("b", DoubtState.DOUBTED, {"b"}),
        ("a", DoubtState.CANARY, set()),
    ],
)
def test_whom_a_doubt_holds(about: str, state: DoubtState, holds: set[str]) -> None:
    doubt = Doubt(
        server="s", agent=about, since=NOW, covered=Micros(0), state=state, moved=NOW,
        canary=("a",) if state is DoubtState.CANARY else (),
    )  # fmt: skip
    assert {agent for agent in "abc" if doubt.holds(agent)} == holds
