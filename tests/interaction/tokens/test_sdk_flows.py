"""The SDK, and the stock client's own provider, against the real routes in process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from remit.keys import jose
from remit.sdk.auth import AgentAuth, TokenRefused
from remit.sdk.grant import NotAuthorized, base_url, read_token, token_endpoint
from remit.sdk.keyfile import from_jwk
from remit.tokens.check import TokenInvalid


@pytest.fixture
def real(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The world with a resource behind the checker, a key file, and the SDK's clock set to the world's."""
    world.asked, world.seen = [], []

    def resource(request: Request) -> Response:
        world.asked.append(request.headers.get("dpop"))
        try:
            caller, proof = world.checker.check(
                authorization=request.headers.get("authorization"),
                dpop=request.headers.get("dpop"),
                method=request.method,
                url=f"{world.base}{request.url.path}",
                audiences=(world.base, f"{world.base}/mcp/payments"),
                now=world.now,
            )
        except TokenInvalid as error:
            return Response(status_code=401, headers={"WWW-Authenticate": f'{error.scheme} error="{error.error}"'})
        world.seen.append((caller, proof))
        return JSONResponse({"agent": caller.agent, "run": caller.run})

    world.app.routes.append(Route("/mcp/payments", resource, methods=["GET", "POST"]))
    jwk = jose.generate()
    world.register(world.agent("sdk-bot", jose.private_key(jwk), "pay-invoices", "audit-invoices"))
    world.key_file = tmp_path / "sdk-bot.jwk"
    world.key_file.write_text(json.dumps(jwk), encoding="utf-8")
    world.key_file.chmod(0o600)
    monkeypatch.setattr("remit.sdk.grant.time.time", lambda: world.clock.at / 1_000_000)
    monkeypatch.setattr("remit.sdk.grant.time.monotonic", lambda: world.clock.at / 1_000_000)
    return world


def client(world: Any, **options: Any) -> httpx2.AsyncClient:
    auth = AgentAuth(world.base, "sdk-bot", world.key_file, "pay-invoices", **options)
    return httpx2.AsyncClient(auth=auth, transport=httpx2.ASGITransport(app=world.app), base_url=world.base)


@pytest.mark.requirement("sdk:proof-per-request")
def test_each_request_has_a_proof_of_its_own(real: Any) -> None:
    async def go() -> list[httpx2.Response]:
        async with client(real) as http:
            return [await http.post("/mcp/payments?x=1", content=b"{}") for _ in range(3)]

    answers = asyncio.run(go())
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({proof.key for _, proof in real.seen}) == 3
    assert len(real.entries("token")) == 1


def test_calls_at_once_share_one_token(real: Any) -> None:
    async def go() -> list[int]:
        async with client(real) as http:
            answers = await asyncio.gather(*(http.post("/mcp/payments", content=b"{}") for _ in range(8)))
            return [answer.status_code for answer in answers]

    assert asyncio.run(go()) == [200] * 8
    assert len(real.entries("token")) == 1


@pytest.mark.requirement("sdk:renewal")
def test_a_token_is_renewed_ahead_of_its_end_in_the_same_run(real: Any) -> None:
    async def go() -> list[str]:
        async with client(real, server="payments") as http:
            runs = []
            for _ in range(3):
                runs.append((await http.get("/mcp/payments")).json()["run"])
                real.clock.at += 280_000_000
            return runs

    runs = asyncio.run(go())
    assert len(set(runs)) == 1
    assert len(real.entries("token")) == 3
    assert len(real.asked) == 3  # no request was refused first


@pytest.mark.requirement("sdk:renewal")
def test_invalid_token_is_answered_with_one_new_token(real: Any) -> None:
    async def go() -> tuple[int, int]:
        async with client(real) as http:
            await http.get("/mcp/payments")
            real.clock.at += 1_000_000
            auth = http.auth
            assert isinstance(auth, AgentAuth)
            assert auth._token is not None
            object.__setattr__(auth._token, "access_token", auth._token.access_token[:-4] + "AAAA")
            again = (await http.get("/mcp/payments")).status_code
            real.checker._issuer = "http://elsewhere.test"  # from here on every token is invalid
            real.checker._seen.clear()
            return again, (await http.get("/mcp/payments")).status_code

    assert asyncio.run(go()) == (200, 401)
    assert len(real.asked) == 5  # 1, 2 (refused, then good), 2 (refused twice, and no third)
    assert len(real.entries("token")) == 3


def test_a_sync_client_works_too(real: Any) -> None:
    auth = AgentAuth(real.base, "sdk-bot", real.key_file, "pay-invoices", run="new")
    from starlette.testclient import TestClient  # noqa: PLC0415 - the synchronous way into an ASGI app

    with TestClient(real.app, base_url=real.base) as http:
        assert [http.get("/mcp/payments", auth=auth).status_code for _ in range(2)] == [200, 200]
    assert len(real.entries("token")) == 1


@pytest.mark.requirement("sdk:own-origin")
def test_no_credential_goes_anywhere_else(real: Any) -> None:
    sent: list[httpx2.Request] = []

    def elsewhere(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200)

    auth = AgentAuth(real.base, "sdk-bot", real.key_file, "pay-invoices")

    async def go() -> None:
        async with httpx2.AsyncClient(auth=auth, transport=httpx2.MockTransport(elsewhere)) as http:
            for url in (
                "http://evil.test/",
                "https://remit.test/mcp/a",
                "http://remit.test:81/",
                "http://remit.test.evil.test/",
            ):
                await http.get(url)

    asyncio.run(go())
    with httpx2.Client(auth=auth, transport=httpx2.MockTransport(elsewhere)) as http:
        http.get("http://evil.test/")
    assert len(sent) == 5
    assert not any({"authorization", "dpop"} & set(request.headers) for request in sent)


def test_a_refusal_reaches_the_caller_with_its_reason(real: Any) -> None:
    real.change("sdk-bot", frozen=True)

    async def go() -> None:
        async with client(real) as http:
            await http.get("/mcp/payments")

    with pytest.raises(TokenRefused, match="the agent is frozen") as caught:
        asyncio.run(go())
    assert caught.value.cause.error == "unauthorized_client"
    assert real.asked == []


@pytest.mark.requirement("sdk:issuer")
def test_another_issuer_gets_no_assertion(real: Any) -> None:
    with pytest.raises(NotAuthorized, match="calls itself"):
        token_endpoint(
            "http://x.test", 200, b'{"issuer": "http://remit.test", "token_endpoint": "http://remit.test/t"}'
        )
    with pytest.raises(NotAuthorized, match="there is no Remit"):
        token_endpoint("http://x.test", 404, b"not found")
    with pytest.raises(NotAuthorized, match="HTTP status 502"):
        read_token(502, b"<html>")


def test_the_url_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="REMIT_URL"):
        base_url(None)
    monkeypatch.setenv("REMIT_URL", "http://remit.test/")
    assert base_url(None) == "http://remit.test"


def test_only_new_opens_another_run(real: Any) -> None:
    with pytest.raises(ValueError, match="run"):
        AgentAuth(real.base, "sdk-bot", from_jwk(jose.generate()), "p", run="old")


def test_a_token_does_not_print_itself(real: Any) -> None:
    token = read_token(200, b'{"access_token": "abc.def.ghi", "token_type": "DPoP", "expires_in": 300, "scope": "s"}')
    assert "abc" not in repr(token)
