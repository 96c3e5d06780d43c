"""What enforcement points hear, in order; and one that does not listen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from remit.freezes.model import Freeze, FreezeKind
from remit.kernel.clock import Instant
from remit.server import announce
from remit.server.announce import Announcer


class World:
    def __init__(self) -> None:
        self.epoch = 3
        self.freezes: dict[Any, Freeze] = {}
        self.announcer = Announcer(freezes=lambda: self.freezes, epoch=lambda: self.epoch)

    def change(self, *topics: str) -> None:
        self.epoch += 1
        self.announcer.follow(self.epoch, topics, None)  # type: ignore[arg-type] # it reads nothing

    def freeze(self, id_: str) -> None:
        self.freezes = self.freezes | {id_: _freeze(id_)}
        self.change("freezes")


def _freeze(id_: str) -> Freeze:
    return Freeze(id=id_, kind=FreezeKind.AGENT, name="bot", reason="", by="dana", since=Instant(0))


def play(scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        world = World()
        world.announcer.bind(asyncio.get_running_loop())
        await scenario(world)

    asyncio.run(main())


async def event(stream: AsyncIterator[bytes]) -> tuple[str, dict[str, Any]]:
    name, data = (await anext(stream)).decode().strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_stream_begins_with_the_whole_state_and_goes_on_in_order() -> None:
    async def scenario(world: World) -> None:
        world.freeze("frz_1")
        await asyncio.sleep(0)  # who comes meanwhile hears of it twice, which does no harm
        stream = world.announcer.stream(lambda: True)
        told = {"kind": "agent", "name": "bot", "id": "frz_1"}
        assert await event(stream) == ("freeze", told)
        assert await event(stream) == ("epoch", {"epoch": 4, "topics": ["*"]})
        world.change("agent:bot", "purpose:work")
        world.freeze("frz_2")
        world.freezes = {}
        world.change("freezes")
        assert await event(stream) == ("epoch", {"epoch": 5, "topics": ["agent:bot", "purpose:work"]})
        assert await event(stream) == ("freeze", told | {"id": "frz_2"})
        assert await event(stream) == ("epoch", {"epoch": 6, "topics": ["freezes"]})
        assert {(await event(stream))[1]["id"] for _ in range(2)} == {"frz_1", "frz_2"}
        assert (await event(stream))[1]["epoch"] == 7

    play(scenario)


def test_a_freeze_takes_effect_at_its_epoch() -> None:
    async def scenario(world: World) -> None:
        world.freeze("frz_1")
        world.change("agent:bot")
        world.freeze("frz_2")
        assert [world.announcer.began(each) for each in ("frz_1", "frz_2", "unheard-of")] == [4, 6, 6]

    play(scenario)


def test_there_is_a_heartbeat_where_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "HEARTBEAT_SECONDS", 0.001)

    async def scenario(world: World) -> None:
        stream = world.announcer.stream(lambda: True)
        await event(stream)
        assert await event(stream) == ("heartbeat", {"epoch": 3})

    play(scenario)


def test_a_point_that_is_removed_hears_no_more() -> None:
    async def scenario(world: World) -> None:
        registered = True
        stream = world.announcer.stream(lambda: registered)
        await event(stream)
        world.change("peps")
        await event(stream)
        registered = False
        assert [each async for each in stream] == []

    play(scenario)


def test_a_point_that_does_not_read_is_dropped_and_the_others_are_not() -> None:
    async def scenario(world: World) -> None:
        lazy, keen = world.announcer.stream(lambda: True), world.announcer.stream(lambda: True)
        await event(lazy)
        await event(keen)
        heard = 0
        for _ in range(1100):
            world.change("agent:bot")
            heard += (await event(keen))[0] == "epoch"
        assert heard == 1100
        assert [each async for each in lazy] == []

    play(scenario)
