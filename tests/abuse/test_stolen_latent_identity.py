"""A stolen identity: what it reaches of what the agent holds, in numbers.

The thief has the agent's own keys, so its tokens and proofs are good. What is in force it has.
What sleeps it may wake, five an hour; what needs a person it never gets; and from the first
risk signal on nothing more wakes up. Every start is in the log, and the owner is told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.abuse.estate import IDLE, Estate, Held, played

from remit.access.activation import ActivationState
from remit.access.reactivate import QUOTA_PER_HOUR
from remit.catalog.model import Tier
from remit.certification.replaying.replay import replay
from remit.kernel.clock import HOUR, MINUTE, SECOND

LAPSED = ActivationState.LAPSED
SUSPENDED = ActivationState.SUSPENDED

IN_FORCE = {
    "in-force-low": Held(tier=Tier.LOW),
    "in-force-medium": Held(tier=Tier.MEDIUM),
    "in-force-high": Held(tier=Tier.HIGH),
    "in-force-critical": Held(tier=Tier.CRITICAL, chosen=True),
}
# Whether a sweep has written it down, or only its time is over, makes no difference: the verdict is the decision's own.
ASLEEP = {
    f"asleep-{tier.value}-{number}": Held(tier=tier, state=LAPSED if number % 2 else ActivationState.ACTIVE, idle=IDLE)
    for tier, many in ((Tier.LOW, 4), (Tier.MEDIUM, 4), (Tier.HIGH, 3))
    for number in range(many)
}
NEVER_USED = {
    "new-low-1": Held(tier=Tier.LOW, state=None),
    "new-low-2": Held(tier=Tier.LOW, state=None),
    "new-medium-1": Held(tier=Tier.MEDIUM, state=None),
    "new-medium-2": Held(tier=Tier.MEDIUM, state=None),
    "new-high-chosen": Held(tier=Tier.HIGH, state=None, chosen=True),
    "new-critical-chosen": Held(tier=Tier.CRITICAL, state=None, chosen=True),
}
# The owner starts these, or approves the call. A choice that it may begin alone is none that it may come back alone.
A_PERSON = {
    "asleep-critical": Held(tier=Tier.CRITICAL, state=LAPSED, idle=IDLE, chosen=True),
    "idle-critical": Held(tier=Tier.CRITICAL, idle=IDLE, rate=True),
    "new-high": Held(tier=Tier.HIGH, state=None),
    "new-critical": Held(tier=Tier.CRITICAL, state=None),
    "suspended-low": Held(tier=Tier.LOW, state=SUSPENDED),
    "suspended-high": Held(tier=Tier.HIGH, state=SUSPENDED, chosen=True),
    "other-version-high": Held(tier=Tier.HIGH, state=LAPSED, idle=IDLE, version="1.3"),
}
ALL = IN_FORCE | ASLEEP | NEVER_USED | A_PERSON

Scenario = Callable[[Estate], Coroutine[Any, Any, None]]


@pytest.fixture
def play(world: Any) -> Callable[[Scenario], Estate]:
    return lambda scenario: played(Estate(world, ALL), scenario)


def test_the_count_of_privilege_tells_the_same(play: Callable[[Scenario], Estate]) -> None:
    """What the owner reads as direct and latent is what a thief gets, at once and in the end."""

    async def scenario(estate: Estate) -> None:
        assert estate.reach() == {
            "direct": set(IN_FORCE), "latent": set(ASLEEP) | set(NEVER_USED), "person": set(A_PERSON), "none": set(),
        }  # fmt: skip
        reached: set[str] = set()
        for _ in range(3):  # eleven sleep: five, five and one
            reached |= {name for name, said in (await estate.calls(await estate.token())).items() if said == "allow"}
            estate.world.clock.at += HOUR
        assert reached == set(IN_FORCE) | set(ASLEEP) | set(NEVER_USED)
        assert estate.reach()["person"] == set(A_PERSON)

    play(scenario)


def test_what_a_thief_with_the_agents_keys_reaches_within_an_hour(play: Callable[[Scenario], Estate]) -> None:
    rounds = 20

    async def scenario(estate: Estate) -> None:
        said: Counter[str] = Counter()
        first: set[str] = set()
        for number in range(rounds):
            answers = await estate.calls(await estate.token())
            said.update(answers.values())
            got = {name for name, answer in answers.items() if answer == "allow"}
            first = first or got
            assert got == first, f"round {number} reaches what the first one did"
            estate.world.clock.at += 3 * MINUTE - SECOND
        # Of 28: four that are in force, six first uses (they are not counted), and the five dearest of the eleven.
        assert first == set(IN_FORCE) | set(NEVER_USED) | {
            "asleep-high-0", "asleep-high-1", "asleep-high-2", "asleep-medium-0", "asleep-medium-1",
        }  # fmt: skip
        assert len(first) == 15
        assert said == {
            "allow": 15 * rounds, "rate_limited": 6 * rounds, "activation_lapsed": 6 * rounds,
            "approval_required": rounds,
        }  # fmt: skip

    estate = play(scenario)
    assert estate.started() == {
        ("start", Tier.LOW): 2, ("start", Tier.MEDIUM): 2, ("start", Tier.HIGH): 1, ("start", Tier.CRITICAL): 1,
        ("reactivate", Tier.HIGH): 3, ("reactivate", Tier.MEDIUM): 2,
    }  # fmt: skip
    assert sum(count for (what, _), count in estate.started().items() if what == "reactivate") == QUOTA_PER_HOUR == 5
    verdicts = estate.verdicts()
    decisions = {entry["id"]: entry for entry in estate.world.entries("decision")}
    assert len(decisions) == len(ALL) * rounds
    for verdict in verdicts:
        assert replay(verdict).outcome == "same"
        assert decisions[verdict["decision"]]["decision"] == "allow"
    # The owner is told of each but the two that only read: those begin without a word (design: the table of tiers).
    told = Counter((each["what"], each["action"].partition("/")[2]) for each in estate.notices())
    assert told == {
        (each["verdict"], each["action"].partition("/")[2]): 1
        for each in verdicts
        if ALL[each["action"].partition("/")[2]].tier is not Tier.LOW
    }
    assert len(told) == 9


def test_around_the_hour_it_is_twice_five(play: Callable[[Scenario], Estate]) -> None:
    """The quota counts UTC hours, as every rate does: just before and just after one ends are two of them."""

    async def scenario(estate: Estate) -> None:
        clock = estate.world.clock
        clock.at += HOUR - clock.at % HOUR - SECOND
        woken = [await estate.calls(await estate.token())]
        clock.at += SECOND - 1
        woken.append(await estate.calls(await estate.token()))  # the last microsecond of the hour
        clock.at += 1
        woken.append(await estate.calls(await estate.token()))
        clock.at += HOUR - 1
        woken.append(await estate.calls(await estate.token()))
        clock.at += 1
        woken.append(await estate.calls(await estate.token()))
        assert [sum(each[name] == "allow" for name in ASLEEP) for each in woken] == [5, 5, 10, 10, 11]
        assert [sum(each[name] == "allow" for name in A_PERSON) for each in woken] == [0] * 5

    estate = play(scenario)
    assert Counter(each["verdict"] for each in estate.verdicts()) == {"reactivate": 11, "start": 6}


def test_all_at_once_is_five_too(play: Callable[[Scenario], Estate]) -> None:
    async def scenario(estate: Estate) -> None:
        token = await estate.token()
        several = [name for name in ASLEEP for _ in range(4)]
        said = await asyncio.gather(*(estate.call(token, name) for name in several))
        assert len({name for name, answer in zip(several, said, strict=True) if answer == "allow"}) == 5

    estate = play(scenario)
    assert Counter(each["verdict"] for each in estate.verdicts()) == {"reactivate": 5}


@pytest.mark.parametrize("risk", [500_000, 699_999, 700_000, 1_000_000])
def test_after_a_risk_signal_nothing_more_wakes_up(play: Callable[[Scenario], Estate], risk: int) -> None:
    async def scenario(estate: Estate) -> None:
        token = await estate.token()
        before = {name for name, said in (await estate.calls(token)).items() if said == "allow"}
        assert len(before) == 15
        estate.risk(risk)
        for _ in range(3):  # nor in the hours after it
            after = {name for name, said in (await estate.calls(await estate.token())).items() if said == "allow"}
            assert after == before, "what is in force stays so, and nothing comes to it"
            estate.world.clock.at += HOUR

    estate = play(scenario)
    assert len(estate.verdicts()) == 11


@pytest.mark.parametrize("risk", [500_000, 1_000_000])
def test_under_a_risk_signal_nothing_wakes_up_at_all(play: Callable[[Scenario], Estate], risk: int) -> None:
    async def scenario(estate: Estate) -> None:
        estate.risk(risk)
        said = await estate.calls(await estate.token())
        assert {name for name, answer in said.items() if answer == "allow"} == set(IN_FORCE)
        assert Counter(said.values()) == {"allow": 4, "activation_lapsed": 24}

    estate = play(scenario)
    assert (estate.verdicts(), estate.notices()) == ([], [])


def test_a_stolen_token_without_the_clients_key_wakes_nothing_that_is_high(
    play: Callable[[Scenario], Estate],
) -> None:
    """It has the instance's key, so its proofs are good; a minute later it can prove nothing else."""

    async def scenario(estate: Estate) -> None:
        token = await estate.token()
        estate.world.clock.at += MINUTE + 1
        said = await estate.calls(token)
        woken = {name for name in ASLEEP if said[name] == "allow"}
        assert woken == {
            "asleep-medium-0", "asleep-medium-1", "asleep-medium-2", "asleep-medium-3", "asleep-low-0"
        }  # fmt: skip

    play(scenario)
