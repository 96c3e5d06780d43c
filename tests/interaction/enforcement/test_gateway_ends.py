"""What ends by time alone ends the calls and streams that stand on it: a run, an agent, a purpose, a boundary."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, until  # type: ignore[import-not-found] # beside
from test_gateway_servers import EVENTS, Odd, event, odd  # type: ignore[import-not-found] # beside

from remit.kernel.clock import Instant

Play = Callable[[Any], None]
NOTE = {"jsonrpc": "2.0", "method": "notifications/message"}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tool", "arguments": {"n": 1}}}


def ends(world: World, what: str, at: Instant) -> None:
    """Have `what` end at a time that is still to come."""
    source = world.source
    if what == "run":
        world.tokens.run_ends = at
    elif what == "agent":
        source.all_agents["bot"] = dataclasses.replace(source.all_agents["bot"], not_after=at)
    elif what == "purpose":
        source.all_purposes["work"] = dataclasses.replace(source.all_purposes["work"], not_after=at)
    else:
        source.all_boundaries = [dataclasses.replace(each, not_after=at) for each in source.all_boundaries]
    world.change("purpose:work", "agent:bot")


class Later:
    """A clock that a test moves; nothing else tells the gateway that time has passed."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at


CODES = {"run": "revoked", "agent": "agent_suspended", "purpose": "purpose_closed", "boundary": "not_granted"}


@pytest.mark.requirement("gateway:cut")
@pytest.mark.parametrize("what", list(CODES))
def test_a_running_call_ends_with_what_it_stands_on(play: Play, what: str) -> None:
    async def scenario(world: World) -> None:
        app = Odd(event(NOTE), headers=EVENTS)
        app.hold = asyncio.Event()
        await odd(world, app)
        clock = Later(world.clock.now())
        world.pipeline._clock, world.contact = clock, clock.now
        ends(world, what, Instant(clock.at + 10))
        task = asyncio.create_task(world.post("odd", CALL))
        await until(lambda: task.done() or (len(world.streams) and app.began))
        assert not task.done(), f"it did not begin: {task.result().text}"
        clock.at = Instant(clock.at + 9)
        await world.streams.sweep()
        await asyncio.sleep(0)
        assert len(world.streams) == 1, "it was cut too early"
        clock.at = Instant(clock.at + 1)
        await world.streams.sweep()
        answer = await asyncio.wait_for(task, 5)
        last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
        assert last["error"]["data"]["code"] == CODES[what]
        assert await world.outcomes() in (["cut"], ["outcome_unknown"])
        # A call with the same token fares no better.
        denied = (await world.post("odd", CALL)).json()["result"]["structuredContent"]
        assert denied["code"] == CODES[what]
        assert "cause" not in denied

    play(scenario)


def test_many_streams_are_asked_about_a_few_at_a_time(play: Play) -> None:
    async def scenario(world: World) -> None:
        app = Odd(event(NOTE), headers=EVENTS)
        app.hold = asyncio.Event()
        await odd(world, app)
        tasks = [asyncio.create_task(world.post("odd", CALL)) for _ in range(20)]
        await until(lambda: len(world.streams) == 20 or any(task.done() for task in tasks))
        assert len(world.streams) == 20
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        await asyncio.sleep(0)
        before = turns
        await world.streams.sweep()
        assert turns - before >= 2
        other.cancel()
        app.hold.set()
        await asyncio.gather(*tasks)

    play(scenario)
