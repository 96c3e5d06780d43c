"""An unmodified client behind the forward proxy: each of its requests is decided, and gets the credential."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import aiohttp
import pytest
from gateway_world import SECRET, rule, token_of, until  # type: ignore[import-not-found] # beside
from http_world import Answer, Streaming, fixed  # type: ignore[import-not-found] # beside
from proxy_world import AUTHORITY, ProxyWorld, basic, run_proxied  # type: ignore[import-not-found] # beside
from tests.abuse.three_questions import Watch

from remit.freezes.model import FreezeKind
from remit.outbound.resolve import PinnedResolver

OPERATIONS: dict[str, Any] = {
    "GET /repos/{owner}/{repo}": {"tier": "low"},
    "DELETE /repos/{owner}/{repo}": {"tier": "critical"},
    "POST /transfers": {"arguments": {"properties": {"amount": {"type": "number"}}}},
}
READ = "api:GET /repos/{owner}/{repo}"
KEYED: dict[str, Any] = {"secret": "key", "inject": {"header": "X-Api-Key"}}


async def usual(world: ProxyWorld, *rules: Any, **document: Any) -> Any:
    found = await world.secure(
        operations=OPERATIONS, proxy="intercept", **({"credential": {"secret": "key"}} | document)
    )
    world.agent("bot", *(rules or (rule(READ), rule("api:DELETE /repos/{owner}/{repo}"))))
    return found


def test_what_is_allowed_passes_with_the_credential_and_what_is_not_does_not() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world, rule(READ))
        api.api.answers["/repos/a/b"] = fixed(200, b'{"id":1}', [("content-type", "application/json")])
        async with world.client() as ask:
            assert (await ask("GET", f"{api.url}/repos/a/b", headers={"Authorization": "Bearer mine"}))[::2] == (
                200, b'{"id":1}',
            )  # fmt: skip
            status, headers, _ = await ask("DELETE", f"{api.url}/repos/a/b")
            assert (status, headers["x-should-retry"]) == (404, "false")  # it names no DELETE: there is none
        (seen,) = api.api.got
        assert seen.values("authorization") == [f"Bearer {SECRET}"]
        assert "work/i1" not in repr(seen)  # the agent's token
        assert await world.outcomes() == ["ok"]
        decided = [(each["action"], each["decision"]) for each in world.entries("decision")]
        assert decided[0] == (READ, "allow")

    run_proxied(scenario)


def test_a_refusal_is_a_problem_that_is_not_tried_again() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world, rule("api:POST /transfers"))
        async with world.client() as ask:
            status, headers, body = await ask("POST", f"{api.url}/transfers", json={"amount": "much"})
        assert (status, headers["content-type"]) == (403, "application/problem+json")
        assert (json.loads(body)["code"], headers["x-should-retry"]) == ("invalid_arguments", "false")
        assert api.api.got == []

    run_proxied(scenario)


def test_curl_works_as_it_is() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        trust = ("--cacert", str(world.folder / "ca.pem"))
        code, out, err = await world.curl("-w", " %{http_code} %{http_version}", *trust, f"{api.url}/repos/a/b")
        assert (code, out) == (0, "{} 200 1.1"), err
        version = ("-w", " %{http_version}")
        assert (await world.curl("--http2", *version, *trust, f"{api.url}/repos/a/b"))[1] == "{} 1.1"  # ALPN
        # Without our authority it believes nobody in the server's place.
        code, _, err = await world.curl(f"{api.url}/repos/a/b")
        assert (code, "certificate" in err) == (60, True)

    run_proxied(scenario)


def test_one_connection_serves_many_requests_each_decided() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        async with world.client() as ask:
            for _ in range(3):
                assert (await ask("GET", f"{api.url}/repos/a/b"))[0] == 200
            world.freeze(FreezeKind.AGENT, "bot")
            status, _, body = await ask("GET", f"{api.url}/repos/a/b")
        assert (status, json.loads(body)["code"]) == (403, "revoked")
        assert len(api.api.got) == 3
        assert len(world.entries("decision")) == 4

    run_proxied(scenario)


def test_http_1_1_alone_is_offered_and_http_2_is_told_so() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        raw = await world.connect(api.at)
        assert (await raw.head())[0] == 200
        await raw.tls("localhost", world.authority.pem)
        answer = await raw.ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert answer[:9] == b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # SETTINGS
        assert b"\x00\x00\x00\x0d" + b"HTTP/1.1 is spoken here" in answer  # GOAWAY, HTTP_1_1_REQUIRED

    run_proxied(scenario)


def test_no_host_but_the_one_connected_to_is_asked_in_it() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        for line, host, status in (
            ("GET /repos/a/b", "evil.test", 403),
            ("GET /repos/a/b", f"localhost:{api.port + 1}", 403),
            ("GET https://evil.test/repos/a/b", api.at, 400),
            ("GET //evil.test/repos/a/b", api.at, 400),
            ("GET /repos/a/..%2fb", api.at, 400),
            ("GET /repos/a/b\\c", api.at, 400),
        ):
            raw = await world.connect(api.at)
            await raw.head()
            await raw.tls("localhost", world.authority.pem)
            answer = await raw.ask(f"{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 %d " % status), (line, host, answer)
            assert (b'"code":"egress_blocked"' in answer) is (status == 403)
        assert api.api.got == []
        assert len(world.entries("refused")) == 6

    run_proxied(scenario)


@pytest.mark.parametrize("plain", [False, True])
def test_a_path_of_two_readings_is_refused_in_it_too(plain: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def scenario(world: ProxyWorld) -> None:
        if plain:
            api = await world.api(operations=OPERATIONS, proxy="intercept")
            at = world.source.all_servers["api"].url.removeprefix("http://")
        else:
            secure = await world.secure(operations=OPERATIONS, proxy="intercept")
            api, at = secure.api, secure.at
        world.agent("bot", rule(READ))

        async def ask(path: str) -> Answer:
            raw = await (world.bare() if plain else world.connect(at))
            if not plain:
                await raw.head()
                await raw.tls("localhost", world.authority.pem)
            shown = f"Proxy-Authorization: {basic('bot', token_of('bot', 'i1'))}\r\n" if plain else ""
            target = f"http://{at}{path}" if plain else path
            said = await raw.ask(f"GET {target} HTTP/1.1\r\nHost: {at}\r\n{shown}Connection: close\r\n\r\n")
            head, _, body = said.partition(b"\r\n\r\n")
            return Answer(int(head.split()[1]), [], body)

        watch = Watch(world, api.got)
        for step in ("%c0%ae%c0%ae", "%C0%AE", "%c0%af", "%e0%80%ae", "%e0%80%af", "%f0%80%80%ae", "%c0%80", "..%2f"):
            for path in (f"/repos/a/{step}", f"/repos/{step}/b"):
                await watch.refused(ask(path), 400, "malformed", what=path, kind="refused", reason="malformed")
        await watch.passes(ask("/repos/a/b"))

    run_proxied(scenario)


def test_another_name_in_tls_is_refused() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        raw = await world.connect(api.at)
        await raw.head()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await raw.tls("evil.test", world.authority.pem)

    run_proxied(scenario)


def test_a_websocket_is_not_spoken() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        async with world.client() as ask:
            headers = {
                "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }  # fmt: skip
            assert (await ask("GET", f"{api.url}/repos/a/b", headers=headers))[0] == 501
        assert api.api.got == []

    run_proxied(scenario)


def test_only_the_authority_that_the_operator_named_is_believed() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        world.register("api", api.url, operations=OPERATIONS, proxy="intercept")  # this machine's own
        async with world.client() as ask:
            assert (await ask("GET", f"{api.url}/repos/a/b"))[0] == 502
        assert api.api.got == []
        assert await world.outcomes() == ["not_sent"]

    run_proxied(scenario)


def test_a_name_that_leads_elsewhere_now_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the registered name stands for this machine, or for a metadata service."""

    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        name = f"api.example.test:{api.port}"
        for address in ("127.0.0.1", "169.254.169.254"):
            world.register("api", f"https://{name}", operations=OPERATIONS, proxy="intercept", ca=AUTHORITY.pem)
            if address == "127.0.0.1":
                world.outbound.allow = frozenset()  # the operator wrote a public name, and no private address

            async def rebound(*_: Any, to: str = address) -> list[tuple[int, str]]:
                return [(2, to)]

            monkeypatch.setattr(PinnedResolver, "_lookup", rebound)
            raw = await world.connect(name)
            await raw.head()
            await raw.tls("api.example.test", world.authority.pem)
            answer = await raw.ask(f"GET /repos/a/b HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
            assert b'"egress_blocked"' in answer, answer
        assert api.api.got == []
        assert await world.outcomes() == ["not_sent", "not_sent"]

    run_proxied(scenario)


def test_plain_http_is_asked_for_with_its_whole_url() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await world.api(operations=OPERATIONS, proxy="intercept", credential={"secret": "key"})
        world.agent("bot", rule(READ))
        base = world.source.all_servers["api"].url
        async with world.client() as ask:
            assert (await ask("GET", f"{base}/repos/a/b", ssl=False))[0] == 200
        assert api.got[-1].values("authorization") == [f"Bearer {SECRET}"]
        assert api.got[-1].values("proxy-authorization") == []

    run_proxied(scenario)


def test_a_cut_answer_does_not_look_like_a_whole_one() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world)
        stream = Streaming(b"a" * 300_000, [("content-type", "text/plain"), ("content-length", "400000")])
        api.api.answers["/repos/a/b"] = stream
        async with world.client() as ask:
            asked = asyncio.ensure_future(ask("GET", f"{api.url}/repos/a/b"))
            await until(lambda: stream.open)
            world.freeze(FreezeKind.AGENT, "bot")
            try:
                status = (await asked)[0]
            except aiohttp.ClientError:
                status = 0
        await until(lambda: stream.closed)
        # 403: the freeze came before the answer's head had passed.
        assert (status, await world.outcomes()) in [(0, ["cut"]), (403, ["outcome_unknown"])]

    run_proxied(scenario)


# Placeholders ----------------------------------------------------------------------------


@pytest.mark.parametrize("inject", [{"header": "X-Api-Key"}, "bearer", {"query": "key"}, {"basic": "svc"}])
def test_a_placeholder_makes_room_for_the_credential_in_its_place_alone(inject: Any) -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world, credential={"secret": "key", "inject": inject}, placeholder="API_KEY")
        own = world.placeholders.make(agent="bot", instance="i1", server="api")
        sent: dict[str, Any] = {"headers": {"X-Note": f"not {own}"}}
        if inject == {"query": "key"}:
            sent["params"] = {"key": own}
        elif isinstance(inject, dict) and "basic" in inject:
            sent["headers"]["Authorization"] = aiohttp.encode_basic_auth("svc", own)
        else:
            sent["headers"]["Authorization" if inject == "bearer" else "X-Api-Key"] = own
        async with world.client() as ask:
            assert (await ask("GET", f"{api.url}/repos/a/b", **sent))[0] == 200
        (seen,) = api.api.got
        assert seen.values("x-note") == [f"not {own}"]
        rest = [pair for pair in seen.headers if pair[0] != "x-note"]
        assert own not in repr(rest) + seen.target

    run_proxied(scenario)


def test_a_foreign_placeholder_is_refused() -> None:
    async def scenario(world: ProxyWorld) -> None:
        api = await usual(world, credential=KEYED, placeholder="API_KEY")
        make = world.placeholders.make
        foreign = (
            make(agent="other", instance="i1", server="api"),
            make(agent="bot", instance="i2", server="api"),
            make(agent="bot", instance="i1", server="other"),
            "remit-placeholder-api-0",
        )
        async with world.client() as ask:
            for each in foreign:
                status, _, body = await ask("GET", f"{api.url}/repos/a/b", headers={"X-Api-Key": each})
                assert status == 403, body
        assert api.api.got == []
        assert {each["reason"] for each in world.entries("refused")} == {"foreign_placeholder"}

    run_proxied(scenario)
