"""What tries to keep an entitlement in force, or end it, without justified use: idle calls, clocks, a new version."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.abuse.estate import IDLE, Estate, Held, played

from remit.access.activation import ActivationState
from remit.catalog.model import Tier
from remit.enforcement.model import Outcome
from remit.kernel.clock import DAY, HOUR, MINUTE

HELD = {tier.value: Held(tier=tier, chosen=True) for tier in Tier}
Scenario = Callable[[Estate], Coroutine[Any, Any, None]]
USELESS = [outcome for outcome in Outcome if outcome is not Outcome.OK]


@pytest.fixture
def play(world: Any) -> Callable[[Scenario, dict[str, Held]], Estate]:
    return lambda scenario, held: played(Estate(world, held), scenario)


Play = Callable[[Scenario, dict[str, Held]], Estate]


@pytest.mark.parametrize("outcome", USELESS)
def test_calls_that_come_to_nothing_keep_nothing_in_force(play: Play, outcome: Outcome) -> None:
    """A heartbeat of failing calls, every hour and to the last minute: the idle clock runs on."""

    async def scenario(estate: Estate) -> None:
        for _ in range(23):
            estate.world.clock.at += HOUR
            assert await estate.call(await estate.token(), "critical", outcome) == "allow"
            await estate.pipeline.drain()
        estate.world.clock.at += HOUR - 1
        assert await estate.call(await estate.token(), "critical", outcome) == "allow"
        estate.world.clock.at += 1
        assert await estate.call(await estate.token(), "critical", outcome) == "activation_lapsed"

    play(scenario, HELD)


def test_calls_that_are_refused_keep_nothing_in_force(play: Play) -> None:
    async def scenario(estate: Estate) -> None:
        estate.risk(1_000_000)
        for _ in range(30):
            estate.world.clock.at += DAY
            said = await estate.call(await estate.token(), "medium", Outcome.ERROR)
        assert said == "activation_lapsed"
        estate.risk(0)
        assert await estate.call(await estate.token(), "medium", Outcome.ERROR) == "allow"

    estate = play(scenario, HELD)
    assert [each["verdict"] for each in estate.verdicts()] == ["reactivate"], "thirty days of calls were no use"


def test_use_keeps_it_in_force(play: Play) -> None:
    async def scenario(estate: Estate) -> None:
        for _ in range(4):
            estate.world.clock.at += DAY - MINUTE
            assert set((await estate.calls(await estate.token())).values()) == {"allow"}
            await estate.pipeline.drain()

    assert play(scenario, HELD).verdicts() == []


@pytest.mark.parametrize("jumps", [(IDLE,), (-IDLE,), (IDLE, -IDLE), (-IDLE, IDLE), (HOUR, -2 * HOUR, HOUR)])
def test_a_clock_that_is_set_ends_nothing(play: Play, jumps: tuple[int, ...]) -> None:
    async def scenario(estate: Estate) -> None:
        for jump in jumps:
            estate.jump(jump)
            for _ in range(2):
                assert set((await estate.calls(await estate.token())).values()) == {"allow"}
                estate.world.clock.at += MINUTE

    assert play(scenario, HELD).verdicts() == []


@pytest.mark.parametrize("jump", [IDLE, -IDLE])
def test_nor_does_it_bring_back_what_is_over(play: Play, jump: int) -> None:
    held = {
        "lapsed": Held(tier=Tier.CRITICAL, state=ActivationState.LAPSED, idle=IDLE, chosen=True),
        "idle": Held(tier=Tier.CRITICAL, idle=IDLE, chosen=True),
        "suspended": Held(tier=Tier.LOW, state=ActivationState.SUSPENDED),
    }

    async def scenario(estate: Estate) -> None:
        for micros in (jump, -jump):
            estate.jump(micros)
            assert set((await estate.calls(await estate.token())).values()) == {"activation_lapsed"}

    assert play(scenario, held).verdicts() == []


def test_a_hole_in_the_record_is_no_non_use(play: Play) -> None:
    """Nobody knows what was used in it: the clock of idleness stands still, and afterwards goes on where it was."""

    async def scenario(estate: Estate) -> None:
        estate.world.clock.at += IDLE
        estate.missed += IDLE - DAY + 1
        said = await estate.calls(await estate.token())
        assert said == {"critical": "allow", "high": "allow", "medium": "allow", "low": "allow"}
        await estate.pipeline.drain()

    assert play(scenario, HELD).verdicts() == []


def test_after_the_hole_it_lapses_by_what_is_on_record(play: Play) -> None:
    async def scenario(estate: Estate) -> None:
        estate.world.clock.at += IDLE
        estate.missed += IDLE - DAY
        assert await estate.call(await estate.token(), "critical") == "activation_lapsed"
        assert await estate.call(await estate.token(), "high") == "allow"

    assert play(scenario, HELD).verdicts() == []


def test_another_version_is_not_trusted_with_what_is_serious(play: Play) -> None:
    held = HELD | {
        "asleep-high": Held(tier=Tier.HIGH, idle=IDLE),
        "asleep-medium": Held(tier=Tier.MEDIUM, idle=IDLE),
        "new-high": Held(tier=Tier.HIGH, state=None),
    }

    async def scenario(estate: Estate) -> None:
        assert set((await estate.calls(await estate.token())).values()) == {"allow", "activation_lapsed"}
        estate.version("2.0")
        said = await estate.calls(await estate.token())
        assert {name for name, answer in said.items() if answer == "allow"} == {"medium", "low", "asleep-medium"}
        # Going back to the version that was trusted is not a way round it: what it had is still there, no more.
        estate.version("1.4")
        said = await estate.calls(await estate.token())
        assert {name for name, answer in said.items() if answer != "allow"} == {"new-high"}

    play(scenario, held)
