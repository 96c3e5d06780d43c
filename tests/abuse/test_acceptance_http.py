"""Acceptance tests 9, 14 and 16 of the enforcement points over HTTP: what is told, seen and recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway_world import SECRET, rule, token_of, until  # type: ignore[import-not-found] # found by conftest
from http_world import Answer, Streaming, answer, read  # type: ignore[import-not-found] # found by conftest
from proxy_world import AUTHORITY, ProxyWorld, run_proxied  # type: ignore[import-not-found] # found by conftest
from tests.abuse.shop import shop
from tests.abuse.three_questions import Watch

from remit.freezes.model import FreezeKind

Play = Callable[[Any], None]
EVENTS = [("content-type", "text/event-stream")]
REPOS: dict[str, Any] = {"GET /repos/{owner}/{repo}": {"tier": "low"}, "DELETE /repos/{owner}/{repo}": {}}


def test_9_an_event_stream_is_cut_with_a_last_event_and_the_next_call_is_refused(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)
        streaming = Streaming(b"data: 1\n\n", EVENTS)
        world.served["api"].answers["/orders/1"] = streaming
        line = await world.line("GET", "/http/api/orders/1")
        assert (await line.head()).status == 200
        assert bytes((await line.event()).data) == b"data: 1\n\n"
        world.freeze(FreezeKind.AGENT, "bot")
        kind, said, *_ = bytes((await line.event()).data).decode().split("\n")
        assert (kind, json.loads(said.removeprefix("data: "))["code"]) == ("event: remit-denial", "revoked")
        await until(lambda: streaming.closed == 1)
        line.close()
        await world.pipeline.drain()
        assert len(watch.seen[1]) == 1
        assert [each["decision"] for each in world.entries("decision")] == ["allow"]
        assert [(each["outcome"], each["cause"]) for each in world.entries("outcome")] == [("cut", "frz_1")]
        entry = {"kind": "decision", "decision": "deny", "code": "revoked"}
        await watch.refused(world.ask("GET", "/http/api/orders/1"), 403, "revoked", **entry)

    play(scenario)


def test_14_an_api_that_sends_its_credential_back_is_not_passed_on(play: Play) -> None:
    async def scenario(world: Any) -> None:
        watch = await shop(world)

        async def echo(got: Any, receive: Any, send: Any) -> None:
            await read(got, receive)
            await answer(send, 200, json.dumps(dict(got.headers)).encode(), [("content-type", "application/json")])

        world.served["api"].answers["/orders/1"] = echo
        refused = await world.ask("GET", "/http/api/orders/1")
        assert (refused.status, refused.json()["code"]) == (502, "unexpected")
        assert SECRET not in repr((refused.headers, refused.body))
        (seen,) = watch.seen[1]
        assert seen.values("authorization") == [f"Bearer {SECRET}"]
        assert token_of("bot", "i1") not in repr(seen)
        await world.pipeline.drain()
        found = [json.loads(each.header)["kind"] for each in world.writer.entries]
        assert sorted(each for each in found if each != "verdict") == ["decision", "incident", "outcome"]
        assert [each["outcome"] for each in world.entries("outcome")] == ["cut"]
        assert SECRET not in repr([each.header for each in world.writer.entries])

    play(scenario)


async def inside(world: ProxyWorld, at: str, line: str) -> Answer:
    """One request in an intercepted connection of its own."""
    raw = await world.connect(at)
    await raw.head()
    await raw.tls("localhost", world.authority.pem)
    said = await raw.ask(f"{line} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (each.partition(":") for each in lines)]
    return Answer(int(first.split()[1]), headers, body)


async def asked(world: ProxyWorld, target: str) -> Answer:
    """The answer to a CONNECT that is refused."""
    raw = await world.connect(target)
    status, head = await raw.head()
    lines = [each.partition(":") for each in head.split("\r\n")[1:]]
    return Answer(status, [(name.lower(), value.strip()) for name, _, value in lines], await raw.rest())


def test_16_intercepted_one_method_passes_with_the_credential_and_another_does_not() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await world.secure(operations=REPOS, proxy="intercept", credential={"secret": "key"})
        world.agent("bot", rule("api:GET /repos/{owner}/{repo}"))
        watch = Watch(world, api.api.got)
        await watch.passes(inside(world, api.at, "GET /repos/a/b"))
        assert api.api.got[-1].values("authorization") == [f"Bearer {SECRET}"]
        entry = {"kind": "decision", "decision": "deny", "code": "not_visible"}
        refused = await watch.refused(inside(world, api.at, "DELETE /repos/a/b"), 404, "not_found", **entry)
        assert refused.header("content-type") == "application/problem+json"
        assert refused.header("x-should-retry") == "false"
        world.freeze(FreezeKind.AGENT, "bot")
        entry = {"kind": "decision", "decision": "deny", "code": "revoked"}
        denied = await watch.refused(inside(world, api.at, "GET /repos/a/b"), 403, "revoked", **entry)
        assert denied.header("x-should-retry") == "false"

    run_proxied(scenario)


def test_16_a_tunnel_carries_what_the_client_says_and_nothing_else() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await world.secure(proxy="tunnel")
        world.agent("bot", rule("api:CONNECT /"))
        watch = Watch(world, api.api.got)

        async def through() -> Answer:
            async with world.client(trusts=AUTHORITY.pem) as ask:
                status, _, body = await ask("GET", f"{api.url}/any", headers={"Authorization": "Bearer its-own"})
            await until(lambda: not world.proxy.fronts)
            return Answer(status, [], body)

        await watch.passes(through())
        assert api.api.got[-1].values("authorization") == ["Bearer its-own"]
        world.freeze(FreezeKind.SERVER, "api")
        entry = {"kind": "decision", "decision": "deny", "code": "revoked", "action": "api:CONNECT /"}
        await watch.refused(asked(world, api.at), 403, "revoked", **entry)
        entry = {"kind": "refused", "reason": "egress_blocked", "host": "example.com:443"}
        await watch.refused(asked(world, "example.com:443"), 403, "egress_blocked", **entry)

    run_proxied(scenario)


def test_9_a_tunnel_is_cut_and_the_next_one_is_refused() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await world.secure(proxy="tunnel")
        world.agent("bot", rule("api:CONNECT /"))
        streaming = Streaming(b"begun", [("content-type", "text/plain")])
        api.api.answers["/long"] = streaming
        raw = await world.connect(api.at)
        await raw.head()
        await raw.tls("localhost", AUTHORITY.pem)
        raw.writer.write(f"GET /long HTTP/1.1\r\nHost: {api.at}\r\n\r\n".encode())
        await until(lambda: streaming.open == 1)
        world.freeze(FreezeKind.AGENT, "bot")
        await raw.rest()
        await until(lambda: streaming.closed == 1)
        await until(lambda: not world.proxy.fronts)
        await world.pipeline.drain()
        assert len(api.api.got) == 1
        assert [each["decision"] for each in world.entries("decision")] == ["allow"]
        assert [(each["outcome"], each["cause"]) for each in world.entries("outcome")] == [("cut", "frz_1")]
        entry = {"kind": "decision", "decision": "deny", "code": "revoked"}
        await Watch(world, api.api.got).refused(asked(world, api.at), 403, "revoked", **entry)

    run_proxied(scenario)
