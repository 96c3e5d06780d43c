"""How credentials reach an API: each kind, against a real one that writes down what it got."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

import pytest
from gateway_world import SECRET, free_port, rule, until  # type: ignore[import-not-found] # beside
from http_world import Api, HttpWorld, fixed, plain, run_http  # type: ignore[import-not-found] # beside
from tests.prompt_server import serving

from remit.outbound.model import endpoint

OPERATIONS: dict[str, Any] = {
    "GET /x": {"arguments": {"properties": {"q": {"type": "string"}}}},
    "POST /x": {"arguments": {"properties": {"n": {"type": "integer"}}}},
    "PUT /x": {"media": ["text/csv"]},
}
AWS = {"aws_sigv4": {"access_key_id": "AKIDEXAMPLE", "region": "eu-central-1", "service": "execute-api"}}


async def usual(world: HttpWorld, inject: object) -> Api:
    api = await world.api(operations=OPERATIONS, credential={"secret": "key", "inject": inject})
    world.agent("bot", *(rule(f"api:{name}") for name in OPERATIONS))
    return api


@pytest.mark.parametrize(
    ("inject", "value"),
    [("bearer", f"Bearer {SECRET}"), ({"header": "Authorization", "format": "token {}"}, f"token {SECRET}")],
)
def test_into_a_header(inject: object, value: str) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, inject)
        assert (await world.ask("GET", "/http/api/x")).status == 200
        assert api.got[0].values("authorization") == [value]

    run_http(scenario)


def test_as_a_password() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, {"basic": "remit"})
        await world.ask("GET", "/http/api/x")
        (value,) = api.got[0].values("authorization")
        assert b64decode(value.removeprefix("Basic ")).decode() == f"remit:{SECRET}"

    run_http(scenario)


def test_into_the_query_in_the_place_of_nothing_that_was_asked() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, {"query": "api[key]"})
        await world.ask("GET", "/http/api/x?q=1")
        assert api.got[0].target == f"/x?q=1&api%5Bkey%5D={SECRET}"
        refused = await world.ask("GET", "/http/api/x?api%5Bkey%5D=mine")
        assert (refused.status, refused.json()["code"]) == (403, "invalid_arguments")

    run_http(scenario)


def test_even_where_any_field_passes_none_stands_in_its_place() -> None:
    async def scenario(world: HttpWorld) -> None:
        inject = {"credential": {"secret": "key", "inject": {"query": "key"}}}
        api = await world.api(operations={"GET /x": {"arguments": {"type": "object"}}}, **inject)
        world.agent("bot", rule("api:GET /x"))
        refused = await world.ask("GET", "/http/api/x?key=mine")
        assert (refused.status, refused.json()["code"]) == (400, "malformed")
        assert api.got == []

    run_http(scenario)


def test_as_a_signature_that_a_peer_makes_too() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, AWS)
        sent = [("X-Amz-Date", "20000101T000000Z"), ("X-Amz-Security-Token", "mine"), ("X-Amz-Meta-A", " a  b ")]
        assert (await world.ask("POST", "/http/api/x", body=b'{"n":1}', headers=sent)).status == 200
        assert (await world.ask("PUT", "/http/api/x", body=b"a,b", media="text/csv")).status == 200
        for got in api.got:
            (said,) = got.values("authorization")
            assert said.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
            assert got.values("x-amz-security-token") == []
            assert got.values("x-amz-date") != ["20000101T000000Z"]
        assert "SignedHeaders=content-type;host;x-amz-date;x-amz-meta-a," in api.got[0].values("authorization")[0]

    run_http(scenario)


class Authority:
    """A token endpoint that gives numbered tokens, once it is let."""

    def __init__(self, *, expires_in: int | None = 3600) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.users: list[str] = []
        self.expires_in = expires_in
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        body = (await receive()).get("body", b"")
        self.asked.append(parse_qs(body.decode()))
        self.users.append(dict(scope["headers"])[b"authorization"].decode())
        number = len(self.asked)
        await self.open.wait()
        said = {"access_token": f"token-number-{number}", "token_type": "Bearer"}
        if self.expires_in is not None:
            said |= {"expires_in": self.expires_in}  # type: ignore[dict-item]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})


async def authorized(world: HttpWorld, authority: Authority) -> Api:
    port, listener = free_port()
    await world.stack.enter_async_context(serving(authority, listener))
    url = f"http://127.0.0.1:{port}/token"
    api = await usual(world, {"oauth_client": {"token_url": url, "client_id": "remit", "scope": "a b"}})
    world.outbound.allow = {*world.outbound.allow, endpoint(url)}
    return api


def test_one_token_is_asked_for_by_fifty_calls() -> None:
    async def scenario(world: HttpWorld) -> None:
        authority = Authority()
        api = await authorized(world, authority)
        authority.open.clear()
        asking = [asyncio.ensure_future(world.ask("GET", "/http/api/x")) for _ in range(50)]
        await until(lambda: authority.asked)
        authority.open.set()
        assert {each.status for each in await asyncio.gather(*asking)} == {200}
        assert authority.asked == [{"grant_type": ["client_credentials"], "scope": ["a b"]}]
        assert b64decode(authority.users[0].removeprefix("Basic ")).decode() == f"remit:{SECRET}"
        assert {value for got in api.got for value in got.values("authorization")} == {"Bearer token-number-1"}

    run_http(scenario)


def test_a_refused_token_is_asked_for_anew_once_and_no_storm_follows() -> None:
    async def scenario(world: HttpWorld) -> None:
        authority = Authority()
        api = await authorized(world, authority)
        await world.ask("GET", "/http/api/x")
        refused = {"Bearer token-number-1"}

        async def judge(got: Any, receive: Any, send: Any) -> None:
            if got.values("authorization")[0] in refused:
                await fixed(401, b"no")(got, receive, send)
            else:
                await plain(got, receive, send)

        api.answers["/x"] = judge
        world.clock.ahead(11)
        answers = await asyncio.gather(*(world.ask("GET", "/http/api/x") for _ in range(20)))
        assert {each.status for each in answers} == {200}
        assert len(authority.asked) == 2
        refused.add("Bearer token-number-2")  # the API takes none any more: its word comes back, and nobody is asked
        answers = await asyncio.gather(*(world.ask("GET", "/http/api/x") for _ in range(20)))
        assert {each.status for each in answers} == {401}
        assert len(authority.asked) == 2

    run_http(scenario, ticking=True)


def test_a_token_is_not_used_to_its_very_end() -> None:
    async def scenario(world: HttpWorld) -> None:
        authority = Authority(expires_in=100)
        await authorized(world, authority)
        await world.ask("GET", "/http/api/x")
        world.clock.ahead(60)
        await world.ask("GET", "/http/api/x")
        assert len(authority.asked) == 1
        world.clock.ahead(15)
        await world.ask("GET", "/http/api/x")
        assert len(authority.asked) == 2

    run_http(scenario, ticking=True)


def test_a_new_secret_ends_the_token_of_the_old_one() -> None:
    async def scenario(world: HttpWorld) -> None:
        authority = Authority()
        await authorized(world, authority)
        await world.ask("GET", "/http/api/x")
        world.vault.version = 2
        await world.ask("GET", "/http/api/x")
        assert len(authority.asked) == 2

    run_http(scenario)


def test_an_echoed_token_does_not_come_back() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await authorized(world, Authority())
        api.answers["/x"] = fixed(200, b"you said token-number-1")
        got = await world.ask("GET", "/http/api/x")
        assert (got.status, b"token-number-1" in got.body) == (502, False)

    run_http(scenario)


@pytest.mark.parametrize("said", [b"{}", b"no json", b'{"access_token":"a b","token_type":"bearer"}'])
def test_without_a_token_nothing_is_sent(said: bytes) -> None:
    async def scenario(world: HttpWorld) -> None:
        authority = Authority()
        api = await authorized(world, authority)
        port, listener = free_port()
        other = Api()
        other.answers["/token"] = fixed(200, said)
        await world.stack.enter_async_context(serving(other, listener))
        url = f"http://127.0.0.1:{port}/token"
        inject = {"oauth_client": {"token_url": url, "client_id": "remit"}}
        world.register("api", operations=OPERATIONS, credential={"secret": "key", "inject": inject})
        world.outbound.allow = {*world.outbound.allow, endpoint(url)}
        refused = await world.ask("GET", "/http/api/x")
        assert (refused.status, refused.json()["code"]) == (503, "enforcement_unavailable")
        assert api.got == []
        assert await world.outcomes() == ["not_sent"]

    run_http(scenario)


def test_without_a_persons_account_nothing_is_sent_and_the_denial_says_whose() -> None:
    async def scenario(world: HttpWorld) -> None:
        user = {"authorize_url": "https://a.test", "token_url": "https://a.test", "client_id": "remit"}
        api = await usual(world, {"oauth_user": user})
        refused = await world.ask("GET", "/http/api/x")
        said = refused.json()
        assert (refused.status, said["code"], said["retryable"]) == (403, "step_up_required", False)
        assert said["title"] == "dana must connect their own account"
        assert said["remedies"] == [{"kind": "step_up", "person": "dana"}, {"kind": "stop"}]
        assert refused.header("x-should-retry") == "false"
        assert api.got == []
        assert await world.outcomes() == ["not_sent"]

    run_http(scenario)


def test_a_certificate_is_no_header() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await usual(world, "bearer")
        world.vault.secrets["key"] = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        assert (await world.ask("GET", "/http/api/x")).status == 503
        assert api.got == []

    run_http(scenario)
