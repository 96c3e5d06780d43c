"""Acceptance tests 1, 2, 9, 10, 14 and 20 of the enforcement points over MCP: what is told, seen and recorded.

The same with real peers stands in `tests/e2e` (server-everything, conformance, delegation, a scripted agent).
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from gateway_world import (  # type: ignore[import-not-found] # found by conftest
    KEY,
    SECRET,
    at_most,
    modern_request,
    payments,
    rule,
    streamable,
    token_of,
    until,
)
from tests.abuse.shop import message, shop, transfer
from tests.abuse.three_questions import Watch, told
from tests.interaction.enforcement.test_gateway_cut import PARAMS, Slow, session, slow

from remit.access.model import Rate
from remit.attestation.model import Link
from remit.freezes.model import FreezeKind
from remit.kernel.names import AgentName, InstanceId, RunId
from remit.keys.jwk import thumbprint
from remit.sdk.denial import read

Play = Callable[[Any], None]
ERAS = pytest.mark.parametrize("modern", [True, False], ids=["2026-07-28", "2025-11-25"])
LIST = {"name": "list_invoices", "arguments": {}}
EVENTS = [(b"content-type", b"text/event-stream")]


def ask(world: Any, params: dict[str, Any], *, modern: bool, method: str = "tools/call", agent: str = "bot") -> Any:
    """A request of one era."""
    if modern:
        return world.modern("payments", method, params, agent=agent)
    return world.post("payments", message(params, method), agent=agent)


async def direct(url: str, params: dict[str, Any], *, modern: bool) -> Any:
    """The same, past Remit."""
    body, headers = modern_request("tools/call", params) if modern else (message(params), {})
    sent = {"Accept": "application/json, text/event-stream", **headers}
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        return (await http.post(url, json=body, headers=sent)).json()["result"]


@ERAS
def test_1_the_tools_are_those_of_the_server_that_a_boundary_names(play: Play, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        server = world.source.all_servers["payments"]
        listed = await ask(world, {}, modern=modern, method="tools/list")
        names = [each["name"] for each in listed.json()["result"]["tools"]]
        assert names == ["list_invoices", "transfer"]
        assert set(names) < set(server.tools)
        await watch.passes(ask(world, LIST, modern=modern))
        for hidden in sorted(set(server.tools) - set(names)):
            asked = ask(world, {"name": hidden, "arguments": {}}, modern=modern)
            entry = {"kind": "decision", "decision": "deny", "code": "not_visible", "agent": "bot"}
            refused = await watch.refused(asked, 200, "-32602", what=hidden, **entry)
            assert refused.json()["error"]["message"] == f"Unknown tool: {hidden}"

    play(scenario)


@ERAS
def test_2_what_passes_comes_to_the_same_as_without_remit(play: Play, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: Any) -> None:
        url = await world.server("payments", streamable(payments(), json_response=True, stateless=True))
        world.agent("bot", *(rule(f"payments/{name}") for name in world.source.all_servers["payments"].tools))
        watch = Watch(world)
        for params in (LIST, transfer(), {"name": "count", "arguments": {"to": 3}}):
            through = await watch.passes(ask(world, params, modern=modern))
            past = await direct(url, params, modern=modern)
            assert through.json()["result"] == past, params
        world.seen.clear()
        gone = ask(world, {"name": "no_such_tool", "arguments": {}}, modern=modern)
        await watch.refused(gone, 200, "-32602", kind="decision", code="not_visible")

    play(scenario)


@ERAS
def test_9_a_call_that_runs_is_cut_and_the_next_one_is_refused(play: Play, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: Any) -> None:
        app = Slow()
        await slow(world, app)
        headers = {} if modern else await session(world)
        watch = Watch(world)
        await world.pipeline.drain()
        before = len(world.writer.entries)

        def call() -> Any:
            if modern:
                return world.modern("slow", "tools/call", PARAMS)
            return world.post("slow", message(PARAMS), **headers)

        task = asyncio.create_task(call())
        await until(lambda: app.holding == 1 and all(each.answering for each in world.streams._running))
        world.freeze(FreezeKind.AGENT, "bot")
        assert told(await task) == (200, "revoked")
        await until(lambda: app.closed == 1)
        await world.relay.drain()
        await world.pipeline.drain()
        assert len(world.calls()) == 1
        ended = [json.loads(each.header) for each in world.writer.entries[before:]]
        assert [each["decision"] for each in ended if each["kind"] == "decision"] == ["allow"]
        assert [(each["outcome"], each["cause"]) for each in ended if each["kind"] == "outcome"] == [("cut", "frz_1")]
        again = {"kind": "decision", "decision": "deny", "code": "revoked", "action": "slow/tool"}
        await watch.refused(world.modern("slow", "tools/call", PARAMS), 200, "revoked", **again)

    play(scenario)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(FreezeKind.AGENT, "chief"), (FreezeKind.INSTANCE, "chiefs"), (FreezeKind.AGENT, "clerk"), (FreezeKind.ALL, "*")],
)
@ERAS
def test_10_who_acts_for_an_agent_is_stopped_with_it(play: Play, kind: FreezeKind, name: str, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """`temp` acts for `clerk`, which acts for `chief`, whose access it is. A restart finds the freeze in force."""

    async def scenario(world: Any) -> None:
        watch = await shop(world)
        for agent, below in (("chief", "clerk"), ("clerk", "temp"), ("temp", "")):
            world.agent(agent, *([rule("payments/list_invoices")] if below == "clerk" else []))
            found = world.source.all_agents[agent]
            world.source.all_agents[agent] = dataclasses.replace(found, delegates=(AgentName(below),) if below else ())
            world.change(f"agent:{agent}")
        links = tuple(
            Link(
                agent=AgentName(each), instance=InstanceId(f"{each}s"), credential=thumbprint(KEY),
                run=RunId(f"run_{each}"), token=f"tok_{each}",
            )
            for each in ("chief", "clerk")
        )  # fmt: skip
        check = world.tokens.check

        def acting(**shown: Any) -> Any:
            caller, proof = check(**shown)
            return dataclasses.replace(caller, links=links, delegation="dlg_1"), proof

        world.tokens.check = acting
        await watch.passes(ask(world, LIST, modern=modern, agent="temp"))
        world.freeze(kind, name)
        entry = {"kind": "decision", "decision": "deny", "code": "revoked", "agent": "temp"}
        await watch.refused(ask(world, LIST, modern=modern, agent="temp"), 200, "revoked", **entry)
        world.facts.load(None, epoch=world.facts.view().epoch)  # as at a start: from what is stored
        await watch.refused(ask(world, LIST, modern=modern, agent="temp"), 200, "revoked", **entry)

    play(scenario)


def echoing(said: Callable[[dict[str, str]], str]) -> Any:
    """A server that says something of the headers it got."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.loads((await receive())["body"])
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        content = [{"type": "text", "text": said(headers)}]
        answer = {"jsonrpc": "2.0", "id": body["id"], "result": {"content": content}}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return app


@ERAS
def test_14_a_server_that_sends_its_credential_back_is_not_passed_on(play: Play, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: Any) -> None:
        app = echoing(lambda headers: headers.get("authorization", ""))
        await world.server("payments", app, credential=True, imported=False)
        world.pin("payments", {"name": "list_invoices", "inputSchema": {"type": "object"}})
        world.agent("bot", rule("payments/list_invoices"))
        answer = await ask(world, LIST, modern=modern)
        assert told(answer) == (200, "-32603"), answer.text
        everything = answer.text + repr(answer.headers)
        assert SECRET not in everything
        (seen,) = world.seen
        assert seen.headers["authorization"] == f"Bearer {SECRET}"
        assert token_of("bot", "i1") not in repr((seen.headers, seen.body))
        await world.pipeline.drain()
        kinds = [(json.loads(each.header)["kind"]) for each in world.writer.entries]
        assert sorted(set(kinds) - {"verdict"}) == ["decision", "incident", "outcome"]
        assert [len(world.entries(each)) for each in ("decision", "incident")] == [1, 1]
        assert [each["outcome"] for each in world.entries("outcome")] == ["cut"]
        assert SECRET not in repr([each.header for each in world.writer.entries])

    play(scenario)


@ERAS
def test_20_whoever_reads_nothing_but_denials_comes_to_an_end(play: Play, modern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Told what is wrong, it lowers the amount; told to wait, it waits; each refusal is one entry, and nothing left."""

    async def scenario(world: Any) -> None:
        watch = await shop(world)
        limited = dataclasses.replace(
            rule("payments/transfer", at_most("amount", "100.00")), rate=Rate(count=1, per="day")
        )
        world.agent("bot", limited)
        entry = {"kind": "decision", "decision": "deny", "agent": "bot", "action": "payments/transfer"}
        params = transfer(900)
        refused = await watch.refused(
            ask(world, params, modern=modern), 200, "constraint_violated", **entry, code="constraint_violated"
        )
        denial = read(refused.json()["result"])
        assert denial is not None
        assert [each["kind"] for each in denial.remedies][:1] == ["change_arguments"]
        lowered = denial.adapted(params["arguments"])
        assert lowered is not None
        await watch.passes(
            ask(world, {"name": "transfer", "arguments": json.loads(json.dumps(lowered, default=float))}, modern=modern)
        )
        again = await watch.refused(
            ask(world, transfer(1), modern=modern), 200, "rate_limited", **entry, code="rate_limited"
        )
        waits = read(again.json()["result"])
        assert waits is not None
        assert [each["kind"] for each in waits.remedies][:1] == ["wait"]
        assert waits.retry_after
        world.freeze(FreezeKind.AGENT, "bot")
        stopped = await watch.refused(ask(world, transfer(1), modern=modern), 200, "revoked", **entry, code="revoked")
        last = read(stopped.json()["result"])
        assert last is not None
        assert [each["kind"] for each in last.remedies] == ["stop"]

    play(scenario)
