"""Attacks on the HTTP gateway: paths, bodies, headers, and what a server sends back."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from decimal import Decimal
from typing import Any

import pytest
from gateway_world import SECRET, rule  # type: ignore[import-not-found] # beside
from http_world import HttpWorld, fixed, run_http  # type: ignore[import-not-found] # beside

from remit.access.model import Bound

KEY: dict[str, Any] = {"credential": {"secret": "key", "inject": "bearer"}}
OPERATIONS: dict[str, Any] = {
    "GET /a/{x}": {},
    "GET /a/{x}/b": {},
    "POST /pay": {"arguments": {"properties": {"amount": {"type": "number"}}}},
    "PUT /files/{name}": {"media": ["text/csv"]},
}


async def usual(world: HttpWorld, **document: Any) -> Any:
    api = await world.api(operations=OPERATIONS, **document)
    world.agent("bot", *(rule(f"api:{name}") for name in OPERATIONS))
    return api


@pytest.mark.parametrize(
    "path",
    [
        "/a/..",
        "/a/../b",
        "/a/%2e%2e",
        "/a/.%2E/b",
        "/a/%2e",
        "/a/..%20",
        "/a/%20%2e%2e/b",
        "/a//b",
        "//a/x",
        "/a/x%2fb",
        "/a/x%5Cb",
        "/a/x\\b",
        "/a/x;v=1",
        "/a/x%3bv",
        "/a/%252e%252e",
        "/a/x%252fb",
        "/a/%00",
        "/a/x%0d%0aX-Evil:%201",
        "/a/%c0%af",
        "/a/%ff",
        "/a/%e2%80%ae",
        "/a/%ef%bc%8e%ef%bc%8e",
        "/a/x%ef%bc%8fb",
        "/a/%zz",
        "/a/%2",
        "/a/x?y=1;z=2",
        "/a/x?=1",
        "/a/x?%zz",
    ],
)
def test_a_path_of_two_readings_is_refused(path: str) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        refused = await world.ask("GET", "/http/api" + path)
        assert (refused.status, refused.json()["code"]) == (400, "malformed")
        assert refused.header("x-should-retry") == "false"
        assert [each["reason"] for each in world.entries("refused")] == ["malformed"]
        assert api.got == []

    run_http(scenario)


def test_a_fragment_and_another_spelling_of_the_prefix_lead_nowhere() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        assert (await world.ask("GET", "/%68ttp/api/a/x")).status in (400, 404)
        got = await world.ask("GET", "/http/api/a/x#/b")  # the parser takes it off: nothing of it is forwarded
        assert got.status in (200, 400)
        assert all(each.target == "/a/x" for each in api.got)

    run_http(scenario)


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b'{"amount":1,"amount":2}', "application/json", 400),
        (b'{"amount":NaN}', "application/json", 400),
        (b'{"amount":1} {"amount":2}', "application/json", 400),
        (b"\xef\xbb\xbf{}", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"amount":1}', "application/json; charset=utf-16", 415),
        (b'{"amount":1}', "", 415),
        (b'{"amount":1}', "application/json, text/csv", 415),
        (b"amount=1", "application/x-www-form-urlencoded", 415),
        (b'{"amount":1}', "text/plain", 415),
    ],
)
def test_a_body_of_two_readings_is_refused(body: bytes, media: str, status: int) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        refused = await world.ask("POST", "/http/api/pay", body=body, media=media)
        assert refused.status == status, refused.body
        assert api.got == []

    run_http(scenario)


def test_an_encoded_body_is_not_looked_into_and_not_forwarded() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        refused = await world.ask("POST", "/http/api/pay", body=b"x", headers=[("Content-Encoding", "gzip")])
        assert refused.status == 415
        assert api.got == []

    run_http(scenario)


def test_a_body_that_is_no_json_passes_where_the_operation_says_so() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        assert (
            await world.ask("PUT", "/http/api/files/x", body=b"a,b", media="text/csv; header=present")
        ).status == 200
        assert (await world.ask("PUT", "/http/api/files/x", body=b"a,b", media="text/html")).status == 415
        (seen,) = api.got
        assert (seen.body, seen.values("content-type")) == (b"a,b", ["text/csv; header=present"])
        assert await world.outcomes() == ["ok", "not_sent"]

    run_http(scenario)


@pytest.mark.parametrize("media", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_does_not_say_otherwise_than_the_query_that_was_decided(media: str) -> None:
    async def scenario(world: HttpWorld) -> None:
        amount = {"properties": {"amount": {"type": "number"}}, "required": ["amount"]}
        forms = ["application/x-www-form-urlencoded", "multipart/form-data"]
        api = await world.api(operations={"POST /pay": {"arguments": amount, "media": forms}})
        world.agent("bot", rule("api:POST /pay", Bound(argument="amount", max=Decimal(500))))
        got = await world.ask("POST", "/http/api/pay?amount=1", body=b"amount=9999", media=media)
        assert (got.status, got.json()["code"]) == (400, "malformed")
        assert api.got == []
        assert await world.outcomes() == ["not_sent"]

    run_http(scenario)


@pytest.mark.parametrize("document", [KEY, {}])
def test_of_the_callers_headers_none_speaks_for_it_upstream(document: dict[str, Any]) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, **document)
        sent = [
            ("Cookie", "s=1"),
            ("DPoP", "proof"),
            ("Forwarded", "for=1.2.3.4"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-Host", "evil.test"),
            ("X-Real-IP", "1.2.3.4"),
            ("Proxy-Authorization", "Basic eA=="),
            ("Proxy-Connection", "keep-alive"),
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("TE", "trailers"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-HTTP-Method", "DELETE"),
            ("X-Method-Override", "DELETE"),
            ("X_HTTP_METHOD_OVERRIDE", "DELETE"),
            ("X-Original-URL", "/admin"),
            ("X-Rewrite-URL", "/admin"),
            ("Accept-Encoding", "gzip"),
            ("X-Api-Version", "7"),
            ("If-None-Match", '"1"'),
        ]
        assert (await world.ask("GET", "/http/api/a/x", headers=sent)).status == 200
        (seen,) = api.got
        names = {name for name, _ in seen.headers}
        own = {"authorization"} if document else set()
        assert names == {"host", "user-agent", "accept-encoding", "x-api-version", "if-none-match"} | own
        assert seen.values("authorization") == ([f"Bearer {SECRET}"] if document else [])
        assert seen.values("accept-encoding") == ["identity"]
        assert not any("bot/work" in value for _, value in seen.headers)

    run_http(scenario)


def test_the_callers_own_header_does_not_stand_for_the_credential() -> None:
    async def scenario(world: HttpWorld) -> None:
        inject = {"credential": {"secret": "key", "inject": {"header": "X-Api-Key"}}}
        api = await usual(world, **inject)
        await world.ask("GET", "/http/api/a/x", headers=[("x-api-key", "mine"), ("X-API-KEY", "mine")])
        assert api.got[0].values("x-api-key") == [SECRET]

    run_http(scenario)


def test_a_missing_secret_sends_nothing() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, credential={"secret": "other", "inject": "bearer"})
        refused = await world.ask("GET", "/http/api/a/x")
        assert (refused.status, refused.json()["code"]) == (503, "enforcement_unavailable")
        assert api.got == []
        assert await world.outcomes() == ["not_sent"]

    run_http(scenario)


@pytest.mark.parametrize("size", [0, 400_000])
@pytest.mark.parametrize("form", [SECRET, b64encode(f"Bearer {SECRET}".encode()).decode(), SECRET.encode().hex()])
def test_an_echoed_secret_does_not_come_back(size: int, form: str) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, **KEY)
        api.answers["/a/x"] = fixed(200, b" " * size + form.encode(), [("content-type", "text/plain")])
        got = await world.ask("GET", "/http/api/a/x")
        assert form.encode() not in got.body
        assert (got.status, got.whole) == ((200, False) if size else (502, True))
        assert await world.outcomes() == ["cut"]
        assert [each["what"] for each in world.entries("incident")] == ["secret_echoed"]

    run_http(scenario)


def test_an_echoed_secret_does_not_come_back_in_a_header() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, **KEY)
        mixed = SECRET.title() + "-xY"
        world.vault.secrets["key"] = mixed.encode()
        for pair in (("x-echo", f"you sent {mixed}"), (mixed, "1"), (mixed.lower(), "1"), (f"X-{mixed.upper()}", "1")):
            api.answers["/a/x"] = fixed(200, b"fine", [pair])
            got = await world.ask("GET", "/http/api/a/x")
            assert got.status == 502
            assert not any(mixed.lower() in each.lower() for known in got.headers for each in known)
        assert await world.outcomes() == ["cut"] * 4

    run_http(scenario)


@pytest.mark.parametrize(
    "coded",
    [[("content-encoding", "gzip")], [("content-encoding", "identity"), ("content-encoding", "br")],
     [("content-encoding", "identity, gzip")]],
)  # fmt: skip
def test_an_answer_that_nobody_can_look_through_does_not_come_back(coded: list[tuple[str, str]]) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, **KEY)
        api.answers["/a/x"] = fixed(200, b"\x1f\x8b...", coded)
        assert (await world.ask("GET", "/http/api/a/x")).status == 502

    run_http(scenario)


def test_nor_one_with_a_transfer_coding_that_nobody_asked_for() -> None:
    async def scenario(world: HttpWorld) -> None:
        async def coded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\n\x1f\x8b.\r\n0\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(coded, "127.0.0.1") as server:
            await usual(world, **KEY)
            port = server.sockets[0].getsockname()[1]
            world.register("api", f"http://127.0.0.1:{port}", operations=OPERATIONS, **KEY)
            assert (await world.ask("GET", "/http/api/a/x")).status == 502

    run_http(scenario)


def test_what_an_answer_says_for_its_own_origin_stays_there() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        said = [
            ("set-cookie", "s=1"),
            ("www-authenticate", "Basic"),
            ("access-control-allow-origin", "*"),
            ("strict-transport-security", "max-age=1"),
            ("clear-site-data", '"*"'),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("x-rate-limit", "7"),
        ]
        api.answers["/a/x"] = fixed(401, b"no", said)
        got = await world.ask("GET", "/http/api/a/x")
        names = {name for name, _ in got.headers} - {"date", "server", "content-length"}
        assert len([name for name, _ in got.headers if name == "date"]) == 1
        assert names == {"x-rate-limit", "x-content-type-options", "content-security-policy"}
        assert (got.status, got.body) == (401, b"no")

    run_http(scenario)


def test_a_redirect_is_not_followed_and_leads_here_or_nowhere() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, base="/v1")
        own = world.source.all_servers["api"].url
        cases = {
            "/v1/a/y?z=1": f"{world.front}/http/api/a/y?z=1",
            f"{own}/a/y": f"{world.front}/http/api/a/y",
            "https://evil.test/v1/a/y": None,
            "//evil.test/a": None,
            "/elsewhere": None,
            "/v1/../admin": None,
            "/v1/a/%2e%2e": None,
            "relative": None,
            f"{own}.evil.test/a": None,
        }
        for location, expected in cases.items():
            api.answers["/v1/a/x"] = fixed(302, b"", [("location", location)])
            got = await world.ask("GET", "/http/api/a/x")
            assert (got.status, got.header("location")) == (302, expected), location
        assert {each.target for each in api.got} == {"/v1/a/x"}

    run_http(scenario)


def test_a_websocket_is_refused_clearly() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        sent = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        refused = await world.ask("GET", "/http/api/a/x", headers=[*sent, ("Sec-WebSocket-Key", "eA==")])
        assert (refused.status, refused.json()["code"]) == (501, "not_implemented")
        assert refused.json()["try"]
        assert api.got == []

    run_http(scenario)


def test_a_body_over_the_limit_is_refused() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        refused = await world.ask("POST", "/http/api/pay", headers=[("Content-Length", str(2 << 20))], body=None)
        assert (refused.status, refused.json()["code"]) == (413, "too_large")
        assert api.got == []

    run_http(scenario)


def test_a_proof_is_good_for_one_call() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        asked = {"headers": [("DPoP", "the-same")]}
        assert (await world.ask("GET", "/http/api/a/x", **asked)).status == 200
        again = await world.ask("GET", "/http/api/a/x", **asked)
        assert (again.status, again.json()["error"]) == (401, "invalid_dpop_proof")
        assert len(api.got) == 1

    run_http(scenario)


def test_a_page_in_a_browser_gets_nothing() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world)
        assert (await world.ask("GET", "/http/api/a/x", headers=[("Origin", "https://evil.test")])).status == 403
        assert api.got == []

    run_http(scenario)
