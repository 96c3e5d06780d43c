"""A freeze refuses what comes and cuts what runs; once it is answered, nothing it covers is sent any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, payments, rule, streamable, until  # type: ignore[import-not-found] # beside
from test_gateway_servers import EVENTS, Odd, call, event, odd  # type: ignore[import-not-found] # beside

from remit.freezes.model import FreezeKind
from remit.storage.model import Committed, Work

Play = Callable[[Any], None]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FreezeKind.AGENT, "bot"),
        (FreezeKind.INSTANCE, "i1"),
        (FreezeKind.SERVER, "payments"),
        (FreezeKind.ALL, "*"),
    ],
)
def test_a_freeze_refuses_what_comes(play: Play, kind: FreezeKind, name: str) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True))
        world.agent("bot", rule("payments/list_invoices"))
        world.freeze(kind, name)
        denied = await world.modern("payments", "tools/call", {"name": "list_invoices", "arguments": {}})
        assert denied.json()["result"]["structuredContent"]["code"] == "revoked"
        listed = await world.modern("payments", "tools/list")
        assert listed.json()["error"]["data"]["code"] == "revoked"
        assert world.seen == []

    play(scenario)


@pytest.mark.requirement("gateway:cut")
@pytest.mark.parametrize("modern", [True, False])
def test_a_freeze_cuts_what_runs(play: Play, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: World) -> None:
        app = Odd(event({"jsonrpc": "2.0", "method": "notifications/message"}), headers=EVENTS)
        app.hold = asyncio.Event()
        await odd(world, app)
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tool", "arguments": {"n": 1}}}
        task = asyncio.create_task(call(world) if modern else world.post("odd", body))
        await until(lambda: len(world.streams) and app.began)
        world.freeze(FreezeKind.AGENT, "bot")
        answer = await asyncio.wait_for(task, 5)
        last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
        assert last["error"]["code"] == -32010
        assert last["error"]["data"]["code"] == "revoked"
        await asyncio.wait_for(app.closed.wait(), 5)
        assert await world.outcomes() == ["cut"]

    play(scenario)


def test_a_freeze_that_commits_with_the_decision_is_not_overtaken(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True))
        world.agent("bot", rule("payments/list_invoices"))
        commit = world.writer.submit_async

        def together(work: Work) -> asyncio.Future[Committed]:
            done: asyncio.Future[Committed] = commit(work)
            if work.entries[0].id.startswith("dec_"):
                world.freeze(FreezeKind.AGENT, "bot")
            return done

        world.writer.submit_async = together
        answer = await world.modern("payments", "tools/call", {"name": "list_invoices", "arguments": {}})
        assert answer.json()["result"]["structuredContent"]["code"] == "revoked"
        assert world.seen == []
        assert await world.outcomes() == ["not_sent"]

    play(scenario)
