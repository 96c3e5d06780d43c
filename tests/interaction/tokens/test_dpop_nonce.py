"""Nonces from end to end: asked for, given, sent back, by clients that were told nothing of them beforehand."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from remit.enforcement.metadata import challenge
from remit.kernel.clock import SystemClock
from remit.keys import jose
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.sdk.auth import AgentAuth
from remit.server.settings import Settings
from remit.server.state import dpop_nonces
from remit.tokens.check import TokenChecker, TokenInvalid
from remit.tokens.nonce import BUCKET, Nonces, NonceUse
from remit.tokens.nonce_http import header

PATH = "/mcp/payments"


class Everything:
    """The token endpoint and one resource, as the outermost callable serves them."""

    def __init__(self, world: Any, use: NonceUse) -> None:
        self.world = world
        self.nonces = Nonces(world.ring.derive("a label"), use)
        self.answers = header(self.nonces, world.clock)
        world.service.nonces = self.nonces
        world.checker = TokenChecker(world.ring.token_keys, issuer=world.base, nonces=self.nonces)
        self.inner = Starlette(routes=[*world.app.routes, Route(PATH, self.resource, methods=["POST"])])
        self.asked: list[int] = []
        world.app = self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.answers is not None:
            send = self.answers.answering(scope["path"], send)
        await self.inner(scope, receive, send)

    def resource(self, request: Request) -> Response:
        try:
            caller, _ = self.world.checker.check(
                authorization=request.headers.get("authorization"), dpop=request.headers.get("dpop"), method="POST",
                url=self.world.base + PATH, audiences=(self.world.base,), now=self.world.now,
            )  # fmt: skip
        except TokenInvalid as error:
            self.asked.append(401)
            said = challenge(
                self.world.base, PATH, error=error.error, description=error.description, scheme=error.scheme
            )
            return JSONResponse({"error": error.error}, 401, headers={"WWW-Authenticate": said[0]})
        self.asked.append(200)
        return JSONResponse({"agent": caller.agent})


@pytest.fixture
def agent_file(world: Any, tmp_path: Path) -> Path:
    jwk = jose.generate()
    world.register(world.agent("sdk-bot", jose.private_key(jwk), "pay-invoices"))
    file = tmp_path / "sdk-bot.jwk"
    file.write_text(json.dumps(jwk), encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.mark.requirement("dpop:nonce")
def test_the_token_endpoint_asks_for_one_and_gives_it(world: Any) -> None:
    Everything(world, NonceUse.TOKEN)
    answer = world.post()
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    given = answer.headers["dpop-nonce"]
    again = world.post(proof=world.proof(nonce=given))
    assert again.status_code == 200
    assert again.headers["dpop-nonce"] == given
    (entry,) = world.entries("refused")
    assert (entry["error"], entry["agent"]) == ("use_dpop_nonce", "invoice-bot")


@pytest.mark.requirement("dpop:nonce")
def test_every_node_takes_what_another_gave_out(world: Any, tmp_path: Path) -> None:
    """They share the database, and what opens it; nothing about nonces is stored."""
    provider = KeyfileProvider.load(tmp_path / "keys" / "keyfile")
    settings = Settings(data=tmp_path, keyfile=tmp_path / "keyfile", dpop_nonce=NonceUse.TOKEN)
    rings = [world.database.reader.read(lambda connection: KeyRing.open(connection, provider)) for _ in range(2)]
    one, other = (dpop_nonces(ring, settings) for ring in rings)
    judge = other.at_token(world.now)
    assert judge is not None
    assert judge(one.current(world.now))


@pytest.mark.requirement("dpop:nonce")
def test_an_old_one_is_answered_with_a_new_one(world: Any) -> None:
    everything = Everything(world, NonceUse.TOKEN)
    old = everything.nonces.current(world.now)
    world.clock.at += 2 * BUCKET
    answer = world.post(proof=world.proof(nonce=old))
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    assert answer.headers["dpop-nonce"] != old


@pytest.mark.parametrize("sent", ["", "x", "A" * 22, 7, None])
def test_a_made_up_one_is_none(world: Any, sent: object) -> None:
    Everything(world, NonceUse.TOKEN)
    assert world.post(proof=world.proof(nonce=sent)).json()["error"] == "use_dpop_nonce"


def test_what_else_is_wrong_with_a_proof_is_said_first(world: Any) -> None:
    """Who makes another proof with the nonce, and is refused again, would never learn what is wrong."""
    Everything(world, NonceUse.TOKEN)
    assert world.post(proof=world.proof(htm="GET")).json()["error"] == "invalid_dpop_proof"


def test_without_a_key_to_prove_nothing_is_asked(world: Any) -> None:
    Everything(world, NonceUse.BOTH)
    answer = world.post(world.plain(), proof=None)
    assert answer.status_code == 200


def test_where_it_is_off_no_answer_has_one(world: Any) -> None:
    Everything(world, NonceUse.OFF)
    answer = world.post()
    assert answer.status_code == 200
    assert "dpop-nonce" not in answer.headers


@pytest.mark.requirement("dpop:nonce")
@pytest.mark.parametrize("use", [NonceUse.TOKEN, NonceUse.BOTH])
def test_the_sdk_asks_again_once_and_then_has_it(world: Any, use: NonceUse, agent_file: Path) -> None:
    everything = Everything(world, use)
    auth = AgentAuth(world.base, "sdk-bot", agent_file, "pay-invoices")
    # The client signs by its own clock.
    world.clock.at = SystemClock().now()
    world.register(world.standing.agents["sdk-bot"].agent)

    async def calls() -> list[int]:
        transport = httpx2.ASGITransport(app=everything)
        async with httpx2.AsyncClient(auth=auth, transport=transport, base_url=world.base) as client:
            return [(await client.post(PATH, json={"call": at})).status_code for at in range(3)]

    assert asyncio.run(calls()) == [200, 200, 200]
    # The nonce of the token endpoint's answer is the resource's too, so only the first request of all was in vain.
    assert everything.asked == [200, 200, 200]
    assert [each["error"] for each in world.entries("refused")] == ["use_dpop_nonce"]


@pytest.mark.requirement("dpop:nonce")
def test_at_a_resource_the_sdk_makes_its_proof_again(world: Any, agent_file: Path) -> None:
    everything = Everything(world, NonceUse.BOTH)
    world.clock.at = SystemClock().now()
    world.register(world.standing.agents["sdk-bot"].agent)
    auth = AgentAuth(world.base, "sdk-bot", agent_file, "pay-invoices")

    async def calls() -> list[int]:
        transport = httpx2.ASGITransport(app=everything)
        async with httpx2.AsyncClient(auth=auth, transport=transport, base_url=world.base) as client:
            first = await client.post(PATH, json={})
            auth._nonce = "forgotten"  # as if it had been given out long ago
            return [first.status_code, (await client.post(PATH, json={})).status_code]

    assert asyncio.run(calls()) == [200, 200]
    assert everything.asked == [200, 401, 200]
    assert len(world.entries("token")) == 1


@pytest.mark.requirement("dpop:nonce")
def test_a_resource_says_so_in_its_challenge(world: Any) -> None:
    everything = Everything(world, NonceUse.BOTH)
    given = everything.nonces.current(world.now)
    token = world.post(proof=world.proof(nonce=given)).json()["access_token"]
    with pytest.raises(TokenInvalid) as caught:
        world.check(token)
    assert (caught.value.error, caught.value.scheme) == ("use_dpop_nonce", "DPoP")
    said = challenge(world.base, PATH, error=caught.value.error, description=caught.value.description, scheme="DPoP")
    assert said[0].startswith('DPoP error="use_dpop_nonce"')
    assert world.check(token, proof=world.proof(url=f"{world.base}{PATH}", token=token, nonce=given))
