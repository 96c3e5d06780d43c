"""Tunnels of the forward proxy: whether and to whom is decided, and the name inside is the one that was asked for."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import pytest
from gateway_world import rule, until  # type: ignore[import-not-found] # beside
from http_world import Streaming, fixed  # type: ignore[import-not-found] # beside
from proxy_world import AUTHORITY, ProxyWorld, run_proxied  # type: ignore[import-not-found] # beside

from remit.freezes.model import FreezeKind
from remit.outbound.resolve import PinnedResolver

CONNECT = "api:CONNECT /"


async def usual(world: ProxyWorld, *rules: Any, **document: Any) -> Any:
    found = await world.secure(proxy="tunnel", **document)
    world.agent("bot", *(rules or (rule(CONNECT),)))
    return found


def test_bytes_pass_unread_and_nothing_is_put_in() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        api.api.answers["/any"] = fixed(200, b"b" * 300_000)
        async with world.client(trusts=AUTHORITY.pem) as ask:  # the API's own certificate, not ours
            headers = {"Authorization": "Bearer its-own"}
            assert (await ask("POST", f"{api.url}/any", headers=headers, data=b"a" * 300_000))[2] == b"b" * 300_000
        (seen,) = api.api.got
        assert (seen.values("authorization"), len(seen.body)) == (["Bearer its-own"], 300_000)
        assert seen.values("proxy-authorization") == []
        await until(lambda: not world.proxy.fronts)
        assert await world.outcomes() == ["ok"]
        (decision,) = world.entries("decision")
        assert (decision["action"], decision["decision"]) == (CONNECT, "allow")

    run_proxied(scenario)


def test_curl_passes_and_http_2_too() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        code, out, err = await world.curl("--cacert", str(world.folder / "api-ca.pem"), f"{api.url}/any")
        assert (code, out) == (0, "{}"), err

    run_proxied(scenario)


def test_a_freeze_cuts_a_tunnel_at_once() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        stream = Streaming(b"begun", [("content-type", "text/plain")])
        api.api.answers["/long"] = stream
        async with world.client(trusts=AUTHORITY.pem) as ask:
            asked = asyncio.ensure_future(ask("GET", f"{api.url}/long"))
            await until(lambda: stream.open)
            world.freeze(FreezeKind.AGENT, "bot")
            with pytest.raises((ConnectionError, ssl.SSLError, Exception)):
                await asked
        await until(lambda: stream.closed)
        assert await world.outcomes() == ["cut"]
        raw = await world.connect(api.at)
        status, _ = await raw.head()
        assert (status, json.loads(await raw.rest())["code"]) == (403, "revoked")

    run_proxied(scenario)


@pytest.mark.parametrize("name", ["other.example.test", None])
def test_another_name_inside_is_refused_before_anything_leaves(name: str | None) -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        raw = await world.connect(api.at)
        assert (await raw.head())[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await raw.tls(name, AUTHORITY.pem)
        await until(lambda: not world.proxy.fronts)
        assert api.api.got == []
        assert await world.outcomes() == ["not_sent"]
        (refused,) = world.entries("refused")
        assert refused["reason"] == "egress_blocked"
        assert "ClientHello" in refused["detail"]

    run_proxied(scenario)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_name_that_may_be_hidden_in_the_right_one_is_refused(encrypted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    def vector(size: int, octets: bytes) -> bytes:
        return len(octets).to_bytes(size, "big") + octets

    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        raw = await world.connect(api.at)
        await raw.head()
        extensions = b"\x00\x00" + vector(2, vector(2, b"\x00" + vector(2, b"localhost")))
        extensions += b"\xfe\x0d" + vector(2, b"x") if encrypted else b""  # encrypted_client_hello (RFC 9849)
        body = b"\x03\x03" + bytes(32) + b"\x00" + vector(2, b"\x13\x01") + b"\x01\x00" + vector(2, extensions)
        answer = await raw.ask((b"\x16\x03\x01" + vector(2, b"\x01" + vector(3, body))).decode("latin-1"))
        assert (answer == b"\x15\x03\x03\x00\x02\x02\x70") is encrypted  # unrecognized_name, which is the proxy's
        await until(lambda: not world.proxy.fronts)
        assert [each["reason"] for each in world.entries("refused")] == ["egress_blocked"] * encrypted
        assert (await world.outcomes() == ["not_sent"]) is encrypted

    run_proxied(scenario)


def test_what_is_no_tls_does_not_pass() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        raw = await world.connect(api.at)
        await raw.head()
        await raw.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: not world.proxy.fronts)
        assert await world.outcomes() == ["not_sent"]

    run_proxied(scenario)


def test_without_a_boundary_it_is_as_if_it_were_not_there() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        world.agent("other", rule("payments/x"))
        bodies = set()
        for target in (api.at, "nowhere.example.test:443"):
            raw = await world.connect(target, agent="other")
            status, head = await raw.head()
            bodies.add((status, head, await raw.rest()))
        assert len(bodies) == 1
        assert b'"egress_blocked"' in next(iter(bodies))[2]

    run_proxied(scenario)


def test_a_name_that_answers_otherwise_is_dialled_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the registered name leads to a metadata service now."""

    async def scenario(world: ProxyWorld) -> None:
        await usual(world)
        world.register("api", "https://api.example.test", proxy="tunnel")
        tried = []
        real = asyncio.open_connection

        async def dialled(host: Any = None, port: Any = None, **more: Any) -> Any:
            tried.append(host)
            return await real(host, port, **more)

        async def rebound(*_: Any) -> list[tuple[int, str]]:
            return [(2, "93.184.215.14"), (2, "169.254.169.254")]

        raw = await world.connect("api.example.test:443")
        monkeypatch.setattr(PinnedResolver, "_lookup", rebound)
        monkeypatch.setattr("remit.outbound.dial.asyncio.open_connection", dialled)
        status, _ = await raw.head()
        assert (status, json.loads(await raw.rest())["code"]) == (403, "egress_blocked")
        assert tried == []
        assert await world.outcomes() == ["not_sent"]

    run_proxied(scenario)


def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        world.register("api", "https://localhost:1", proxy="tunnel")
        raw = await world.connect("localhost:1")
        assert (await raw.head())[0] == 502
        assert await world.outcomes() == ["not_sent"]
        assert api.api.got == []

    run_proxied(scenario)


def test_a_volume_is_counted_and_ends_it() -> None:
    async def scenario(world: ProxyWorld) -> None:
        from remit.access.conditions import Conditions, Volume  # noqa: PLC0415 - of this test alone

        api = await usual(world, rule(CONNECT, conditions=Conditions(volume=Volume(bytes=200_000, per="day"))))
        api.api.answers["/any"] = fixed(200, b"b" * 900_000)
        async with world.client(trusts=AUTHORITY.pem) as ask:
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever its client makes of it
                await ask("GET", f"{api.url}/any")
        await until(lambda: not world.proxy.fronts)
        assert await world.outcomes() == ["cut"]

    run_proxied(scenario)
