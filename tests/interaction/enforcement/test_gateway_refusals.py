"""What is refused without a decision: recorded once, counted once, and its proof is used (docs/adr/0003)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from gateway_world import (  # type: ignore[import-not-found] # beside
    World,
    modern_request,
    payments,
    rule,
    run_in_world,
    streamable,
    until,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gateway_cut import Slow, legacy, running, session, slow  # type: ignore[import-not-found] # beside

from remit.enforcement.model import Limits

Play = Callable[[Any], None]
LIST = {"name": "list_invoices", "arguments": {}}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": LIST}
TWICE = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_invoices","name":"delete_all"}}'
MODERN, ROUTING = modern_request("tools/call", LIST)
OVER = b" " * (1 << 20) + b"{}"


async def ready(world: World) -> None:
    await world.server("payments", streamable(payments(), json_response=True))
    world.agent("bot", rule("payments/list_invoices"))


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1 << 16):
        yield body[start : start + (1 << 16)]


async def asked(world: World, proof: str, method: str, body: object, headers: dict[str, str]) -> Any:
    sent = world.headers() | {"DPoP": proof} | headers
    content = body if isinstance(body, bytes) else chunks(OVER) if body is None else json.dumps(body).encode()
    async with world.http() as http:
        return await http.request(method, "/mcp/payments", content=content, headers=sent)


async def good(world: World, proof: str) -> int:
    status: int = (await world.modern("payments", "tools/call", LIST, DPoP=proof)).status_code
    return status


def counted(world: World, reason: str) -> float:
    value: float = world.pipeline.metrics.refused.labels(reason)._value.get()
    return value


REFUSED: dict[str, tuple[str, object, dict[str, str], int, str, str | None]] = {
    # HTTP method, body (None: too large, in chunks), headers, status, reason, JSON-RPC error
    "a batch": ("POST", [CALL], {}, 400, "malformed", "-32600"),
    "a duplicate key": ("POST", TWICE, {}, 400, "malformed", "-32700"),
    "no JSON": ("POST", b"{", {}, 400, "malformed", "-32700"),
    "header against body": ("POST", MODERN, ROUTING | {"mcp-name": "other"}, 400, "malformed", "-32020"),
    "a version not served": ("POST", MODERN, ROUTING | {"mcp-protocol-version": "2031-01-01"}, 400, "malformed", None),
    "bad parameters": ("POST", CALL | {"params": {"name": 5}}, {}, 400, "malformed", "-32602"),
    "a cursor": ("POST", CALL | {"method": "tools/list", "params": {"cursor": "x"}}, {}, 400, "malformed", "-32602"),
    "another media type": ("POST", CALL, {"Content-Type": "text/plain"}, 415, "malformed", "-32600"),
    "no stream accepted": ("POST", CALL, {"Accept": "application/json"}, 406, "malformed", "-32600"),
    "a GET that takes no stream": ("GET", b"", {"Accept": "application/json"}, 406, "malformed", "-32600"),
    "too large, as declared": ("POST", OVER, {}, 413, "too_large", None),
    "too large, in chunks": ("POST", None, {}, 413, "too_large", None),
    "another HTTP method": ("PUT", CALL, {}, 405, "method_not_allowed", None),
}  # fmt: skip


@pytest.mark.requirement("dpop:replay")
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_without_a_decision_is_recorded_and_uses_its_proof(play: Play, what: str) -> None:
    method, body, headers, status, reason, error = REFUSED[what]

    async def scenario(world: World) -> None:
        await ready(world)
        answer = await asked(world, "one", method, body, headers)
        assert answer.status_code == status, answer.text
        (entry,) = world.entries("refused")
        assert (entry["reason"], entry["agent"], entry["instance"], entry["server"]) == (
            reason, "bot", "i1", "payments",
        )  # fmt: skip
        assert error is None or entry["error"] == error
        assert counted(world, reason) == 1
        assert await good(world, "one") == 401
        assert [each["reason"] for each in world.entries("refused")] == [reason, "replayed_proof"]
        assert (world.entries("decision"), world.seen) == ([], [])
        # And the other way round: a used proof gets no further than that.
        assert await good(world, "two") == 200
        assert (await asked(world, "two", method, body, headers)).status_code == 401
        assert len(world.calls()) == 1

    play(scenario)


@settings(max_examples=10, deadline=None)
@given(bodies=st.lists(st.binary(max_size=40) | st.just(TWICE) | st.just(json.dumps(CALL).encode()), max_size=20))
def test_whatever_is_sent_leaves_one_entry_and_its_proof_is_used(bodies: list[bytes]) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        for number, body in enumerate(bodies):
            before = len(world.entries("decision")) + len(world.entries("refused"))
            await world.post("payments", body, DPoP=f"proof-{number}")
            assert len(world.entries("decision")) + len(world.entries("refused")) == before + 1
            assert await good(world, f"proof-{number}") == 401

    run_in_world(scenario)


@pytest.mark.requirement("dpop:replay")
def test_a_request_that_ends_before_it_was_read_has_used_its_proof(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        half = asyncio.Event()

        async def upload() -> AsyncIterator[bytes]:
            yield b'{"jsonrpc":'
            half.set()
            await asyncio.Event().wait()

        async with world.http() as http:
            headers = world.headers() | {"DPoP": "one"}
            task = asyncio.create_task(http.post("/mcp/payments", content=upload(), headers=headers))
            await half.wait()
            await until(lambda: world.tokens.urls)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await until(lambda: world.entries("refused"))
        assert [each["reason"] for each in world.entries("refused")] == ["gone"]
        assert await good(world, "one") == 401

    play(scenario)


@pytest.mark.parametrize("what", ["a batch", "too large, as declared", "another HTTP method"])
def test_what_cannot_be_recorded_is_unavailable(play: Play, what: str) -> None:
    method, body, headers, *_ = REFUSED[what]

    async def scenario(world: World) -> None:
        await ready(world)
        world.writer.gone = True
        error = (await asked(world, "one", method, body, headers)).json()["error"]
        assert (error["code"], error["data"]["code"]) == (-32603, "enforcement_unavailable")
        world.writer.gone = False
        assert await good(world, "one") == 200, "nothing was recorded, so nothing was used"

    play(scenario)


def test_a_malformed_request_to_a_hidden_server_looks_like_one_to_a_missing_one(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        world.agent("stranger", rule("elsewhere/tool"))
        for body in ([CALL], TWICE, OVER):
            answers = [await world.post(name, body, agent="stranger") for name in ("payments", "no-such")]
            assert answers[0].status_code == answers[1].status_code
            assert answers[0].content == answers[1].content

    play(scenario)


def test_what_is_refused_after_a_decision_is_recorded_by_that_and_uses_its_proof_once(play: Play) -> None:
    """An id that its session still waits for is only seen to be taken once the call was let through."""

    async def scenario(world: World) -> None:
        await slow(world, Slow())
        headers = await session(world)
        first = legacy(world, headers)
        await until(running(world, 1))
        second = await legacy(world, headers | {"DPoP": "one"}, "other")
        assert (second.status_code, second.json()["error"]["code"]) == (400, -32600)
        assert (await world.outcomes())[-1] == "not_sent"
        assert world.entries("outcome")[-1]["decision"] == world.entries("decision")[-1]["id"]
        assert world.entries("refused") == []
        assert counted(world, "malformed") == 0
        assert (await legacy(world, headers | {"DPoP": "one"}, "other", 8)).status_code == 401
        first.cancel()

    play(scenario)


def test_a_mirrored_header_that_differs_is_refused_after_the_decision_and_recorded_by_that(play: Play) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "Number"}}}

    async def scenario(world: World) -> None:
        await world.server("slow", Slow(), imported=False)
        world.pin("slow", {"name": "tool", "inputSchema": schema})
        world.agent("bot", rule("slow/tool"))
        params = {"name": "tool", "arguments": {"n": 1}}
        wrong = await world.modern("slow", "tools/call", params, DPoP="one", **{"mcp-param-number": "2"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32020)
        assert await world.outcomes() == ["not_sent"]
        assert [each["decision"] for each in world.entries("decision")] == ["allow"]
        assert world.entries("refused") == []
        again = await world.modern("slow", "tools/call", params, DPoP="one", **{"mcp-param-number": "1"})
        assert again.status_code == 401
        assert world.calls() == []

    play(scenario)


def test_a_small_limit_counts_once() -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        for number in range(3):
            assert (await world.post("payments", b" " * 200, DPoP=f"p{number}")).status_code == 413
        assert counted(world, "too_large") == 3
        assert len(world.entries("refused")) == 3

    run_in_world(scenario, limits=Limits(request=100))


def test_a_bad_token_is_recorded_before_it_is_answered(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        bad = {"Authorization": "Bearer nonsense", "DPoP": "p1"}
        answer = await world.modern("payments", "tools/call", LIST, **bad)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        (entry,) = world.entries("refused")
        assert (entry["door"], entry["server"], entry["error"]) == ("mcp", "payments", "invalid_token")
        # Where it cannot be recorded it is not answered either; who shows nothing is told where tokens are had.
        world.writer.gone = True
        answer = await world.modern("payments", "tools/call", LIST, **bad)
        assert answer.json()["error"]["data"]["code"] == "enforcement_unavailable"
        async with world.http() as http:
            assert (await http.post("/mcp/payments", json=CALL)).status_code == 401
        world.writer.gone = False
        assert len(world.entries("refused")) == 1

    play(scenario)
