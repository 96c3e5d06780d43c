"""A freeze of each kind refuses what comes; once it is answered, nothing it covers is sent any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from gateway_world import KEY, World, modern_request, payments, rule, streamable  # type: ignore[import-not-found] # beside

from remit.catalog.ports import Unreached
from remit.freezes.model import FreezeKind
from remit.keys.jwk import thumbprint
from remit.storage.model import Committed, Work

Play = Callable[[Any], None]


CALL = {"name": "list_invoices", "arguments": {}}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FreezeKind.AGENT, "bot"),
        (FreezeKind.INSTANCE, "i1"),
        (FreezeKind.OWNER, "dana"),
        (FreezeKind.CREDENTIAL, thumbprint(KEY)),
        (FreezeKind.CREDENTIAL, "key"),
        (FreezeKind.SERVER, "payments"),
        (FreezeKind.ALL, "*"),
    ],
)
def test_a_freeze_refuses_what_comes(play: Play, kind: FreezeKind, name: str) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True), credential=True)
        world.agent("bot", rule("payments/list_invoices"))
        world.freeze(kind, name)
        denied = await world.modern("payments", "tools/call", CALL)
        assert denied.json()["result"]["structuredContent"]["code"] == "revoked"
        listed = await world.modern("payments", "tools/list")
        assert listed.json()["error"]["data"]["code"] == "revoked"
        assert world.seen == []
        world.unfreeze()
        allowed = await world.modern("payments", "tools/call", CALL)
        assert "isError" not in allowed.json()["result"] or not allowed.json()["result"]["isError"]

    play(scenario)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FreezeKind.AGENT, "other"),
        (FreezeKind.INSTANCE, "i2"),
        (FreezeKind.OWNER, "lee"),
        (FreezeKind.CREDENTIAL, "another-key"),
        (FreezeKind.SERVER, "odd"),
        (FreezeKind.TOOL, "payments/transfer"),
        (FreezeKind.TOOL, "odd/list_invoices"),
    ],
)
def test_a_freeze_of_something_else_refuses_nothing(play: Play, kind: FreezeKind, name: str) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True), credential=True)
        world.agent("bot", rule("payments/list_invoices"))
        world.freeze(kind, name)
        assert not (await world.modern("payments", "tools/call", CALL)).json()["result"].get("isError")

    play(scenario)


def test_a_frozen_tool_is_refused_and_others_go_on(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True))
        world.agent("bot", rule("payments/list_invoices"), rule("payments/delete_all"))
        world.freeze(FreezeKind.TOOL, "payments/list_invoices")
        denied = await world.modern("payments", "tools/call", CALL)
        assert denied.json()["result"]["structuredContent"]["code"] == "revoked"
        other = await world.modern("payments", "tools/call", {"name": "delete_all", "arguments": {}})
        assert not other.json()["result"].get("isError")
        assert [call["params"]["name"] for call in world.calls()] == ["delete_all"]

    play(scenario)


def test_a_frozen_secret_is_not_used_even_to_look_at_the_server(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True), credential=True)
        await world.server("open", streamable(payments(), json_response=True))
        world.agent("bot", rule("open/list_invoices"))
        world.freeze(FreezeKind.CREDENTIAL, "key")
        with pytest.raises(Unreached, match="frozen"):
            await world.importer.tools(world.source.all_servers["payments"])
        assert world.seen == []
        assert not (await world.modern("open", "tools/call", CALL)).json()["result"].get("isError")

    play(scenario)


def test_a_freeze_during_the_upload_of_a_call_stops_it(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.server("payments", streamable(payments(), json_response=True))
        world.agent("bot", rule("payments/list_invoices"))
        body, routing = modern_request("tools/call", CALL)
        half = asyncio.Event()

        async def upload() -> AsyncIterator[bytes]:
            whole = json.dumps(body).encode()
            yield whole[:20]
            half.set()
            await frozen.wait()
            yield whole[20:]

        frozen = asyncio.Event()
        async with world.http() as http:
            asking = http.post("/mcp/payments", content=upload(), headers=world.headers() | routing)
            task = asyncio.create_task(asking)
            await half.wait()
            world.freeze(FreezeKind.AGENT, "bot")
            frozen.set()
            answer = await task
        assert answer.json()["result"]["structuredContent"]["code"] == "revoked"
        assert world.seen == []
        assert await world.outcomes() == []

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
