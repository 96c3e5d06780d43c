"""Headers first, the body much later: what was shown in the headers must hold when the body is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from gateway_world import World, modern_request, payments, rule, streamable, until  # type: ignore[import-not-found] # beside

from remit.enforcement import asgi

Play = Callable[[Any], None]
LIST = {"name": "list_invoices", "arguments": {}}


async def ready(world: World) -> None:
    await world.server("payments", streamable(payments(), json_response=True))
    world.agent("bot", rule("payments/list_invoices"))


def held(world: World, go_on: asyncio.Event, begun: asyncio.Event) -> asyncio.Task[Any]:
    """A call whose body's second half comes when `go_on` is set."""
    body, routing = modern_request("tools/call", LIST)
    text = json.dumps(body).encode()

    async def content() -> AsyncIterator[bytes]:
        yield text[:20]
        begun.set()
        await go_on.wait()
        yield text[20:]

    async def send() -> Any:
        async with world.http() as http:
            headers = world.headers() | routing
            return await http.post("/mcp/payments", content=content(), headers=headers)

    return asyncio.create_task(send())


@pytest.mark.parametrize("ended", [False, True])
def test_a_token_that_ended_while_the_body_came_opens_nothing(play: Play, ended: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: World) -> None:
        await ready(world)
        go_on, begun = asyncio.Event(), asyncio.Event()
        task = held(world, go_on, begun)
        await begun.wait()
        await until(lambda: world.tokens.urls)  # the headers were judged
        world.tokens.ended = ended
        world.seen.clear()
        go_on.set()
        answer = await task
        assert answer.status_code == (401 if ended else 200)
        assert ("www-authenticate" in answer.headers) is ended
        await world.pipeline.drain()
        assert len(world.calls("payments")) == (0 if ended else 1)

    play(scenario)


def test_a_body_that_does_not_come_is_given_up_recorded_and_its_proof_used(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.2)

    async def scenario(world: World) -> None:
        await ready(world)
        address = urlsplit(world.base)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        _, routing = modern_request("tools/call", LIST)
        sent = world.headers() | routing | {"Host": address.netloc, "Content-Length": "500", "DPoP": "held"}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        writer.write(f"POST /mcp/payments HTTP/1.1\r\n{head}\r\n{{".encode())
        answer = (await reader.read()).decode()
        writer.close()
        assert answer.startswith("HTTP/1.1 408 ")
        assert "connection: close" in answer.lower()
        (entry,) = world.entries("refused")
        assert entry["reason"] == "malformed"
        assert world.calls("payments") == []
        again = await world.modern("payments", "tools/call", LIST, DPoP="held")
        assert again.status_code == 401

    play(scenario)
