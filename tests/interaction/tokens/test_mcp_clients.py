"""Stock `mcp` clients on a socket: with the SDK's DPoP, and with their own private_key_jwt provider."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mcp import Client
from mcp.client.auth.extensions.client_credentials import PrivateKeyJWTOAuthProvider, SignedJWTParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.prompt_server import serving
from tests.stock_storage import Memory

from remit.enforcement.metadata import WELL_KNOWN, challenge, protected_resource, resources
from remit.kernel.canonical import encode
from remit.kernel.clock import SystemClock
from remit.keys import jose
from remit.sdk.auth import AgentAuth
from remit.storage.database import open_database
from remit.tokens.check import TokenInvalid

PATH = "/mcp/payments"


class Guarded:
    """The token service beside one MCP server that takes only good tokens."""

    def __init__(self, world: Any, tools: ASGIApp) -> None:
        self.world, self.tools, self.callers = world, tools, []  # type: ignore[var-annotated] # filled by the tests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.tools(scope, receive, send)
        elif scope["path"] == PATH:
            await self.guard(scope, receive, send)
        elif scope["path"] == WELL_KNOWN + PATH:
            await answer(send, 200, protected_resource(self.world.base, PATH))
        else:
            await self.world.app(scope, receive, send)

    async def guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        try:
            caller, _ = self.world.checker.check(
                authorization=headers.get("authorization"),
                dpop=headers.get("dpop"),
                method=scope["method"],
                url=self.world.base + PATH,
                audiences=resources(self.world.base, "payments"),
                now=self.world.now,
            )
        except TokenInvalid as error:
            said = challenge(
                self.world.base, PATH, error=error.error, description=error.description, scheme=error.scheme
            )
            await answer(send, 401, {}, said)
            return
        self.callers.append(caller)
        await self.tools(scope, receive, send)


async def answer(send: Send, status: int, body: Any, challenges: list[str] | None = None) -> None:
    headers = [(b"www-authenticate", each.encode()) for each in challenges or []]
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, (b"content-type", b"application/json")]}
    )
    await send({"type": "http.response.body", "body": encode(body)})


@pytest.fixture
def guarded(tmp_path: Path, world_type: Any) -> Iterator[Any]:
    listening = socket.create_server(("127.0.0.1", 0))
    database = open_database(tmp_path / "remit.db")
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    world = world_type(database, tmp_path / "keys", base=base, clock=SystemClock())
    server = MCPServer("payments")

    @server.tool()
    def balance(account: str) -> str:
        return f"{account}: 100.00 EUR"

    guarded = Guarded(world, server.streamable_http_app(streamable_http_path=PATH))
    guarded.world.listening = listening
    yield guarded
    listening.close()
    database.close()


async def call(guarded: Any, auth: httpx2.Auth, mode: str) -> str:
    async with (
        serving(guarded, guarded.world.listening, lifespan="on"),
        httpx2.AsyncClient(auth=auth, timeout=20, trust_env=False) as http,
    ):
        transport = streamable_http_client(guarded.world.base + PATH, http_client=http)
        async with Client(transport, mode=mode) as client:
            listed = await client.list_tools()
            assert [tool.name for tool in listed.tools] == ["balance"]
            result = await client.call_tool("balance", {"account": "acme"})
            return "".join(getattr(block, "text", "") for block in result.content)


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
def test_the_sdk_authenticates_a_stock_client(guarded: Any, mode: str, tmp_path: Path) -> None:
    jwk = jose.generate()
    guarded.world.register(guarded.world.agent("sdk-bot", jose.private_key(jwk), "pay-invoices"))
    key_file = tmp_path / "sdk-bot.jwk"
    key_file.write_text(json.dumps(jwk), encoding="utf-8")
    key_file.chmod(0o600)
    auth = AgentAuth(guarded.world.base, "sdk-bot", key_file, "pay-invoices", server="payments")
    assert asyncio.run(call(guarded, auth, mode)) == "acme: 100.00 EUR"
    assert {(caller.agent, caller.bound) for caller in guarded.callers} == {("sdk-bot", True)}
    assert len(guarded.world.entries("token")) == 1


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
@pytest.mark.requirement("mcp:stock-client")
def test_a_fully_stock_client_finds_its_way(guarded: Any, mode: str) -> None:
    world = guarded.world
    signing = SignedJWTParameters(
        issuer="plain-bot",
        subject="plain-bot",
        signing_key=world.plain_key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        signing_algorithm="ES256",
    )
    storage = Memory()
    auth = PrivateKeyJWTOAuthProvider(
        server_url=world.base + PATH,
        storage=storage,
        client_id="plain-bot",
        assertion_provider=signing.create_assertion_provider(),
        scope="purpose:pay-invoices",
        issuer=world.base,
    )
    assert asyncio.run(call(guarded, auth, mode)) == "acme: 100.00 EUR"
    assert {(caller.agent, caller.bound) for caller in guarded.callers} == {("plain-bot", False)}
    assert storage.tokens is not None
    assert storage.tokens.scope == "purpose:pay-invoices"
    assert [entry["audience"] for entry in world.entries("token")] == [[world.base + PATH]]
