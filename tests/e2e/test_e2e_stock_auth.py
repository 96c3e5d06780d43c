"""Stock `mcp` clients that authenticate by themselves, and `remit run`, at a Remit that asks for nonces everywhere."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from tests.e2e import peers
from tests.e2e.running import PATIENCE, Home
from tests.stock_storage import Memory

from remit.demo.plain import plain_auth
from remit.keys import jose
from remit.sdk.auth import AgentAuth

HERE = Path(__file__).parent
IDP = "https://idp.example.test"


@dataclass
class Place:
    """A server, a Remit before it, `bot` with a key, and `plain` with a secret."""

    home: Home
    url: str
    files: Path
    secret: str
    idp: jose.SigningKey

    @property
    def tools(self) -> str:
        return f"{self.url}/mcp/payments"

    async def identity_assertion(self, audience: str, resource: str) -> str:
        """What the identity provider says, as the client asks it to."""
        now = int(time.time())
        claims = {
            "iss": IDP, "sub": "person-1", "aud": audience, "client_id": "plain", "jti": uuid.uuid4().hex, "iat": now,
            "exp": now + 300, "resource": resource, "scope": "purpose:work",
        }  # fmt: skip
        return jose.sign(claims, typ="oauth-id-jag+jwt", key=self.idp)

    def count(self, auth: httpx2.Auth, mode: str = "auto") -> Any:
        """Call a tool with the stock client."""

        async def called() -> Any:
            async with (
                httpx2.AsyncClient(auth=auth, timeout=PATIENCE, trust_env=False) as http,
                Client(streamable_http_client(self.tools, http_client=http), mode=mode) as client,
            ):
                return (await client.call_tool("count", {"to": 3})).structured_content

        return asyncio.run(called())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("stock")
    home = Home(root / "home")
    home.path.mkdir(mode=0o700)
    command = [sys.executable, str(HERE / "sdk_server.py"), str(root / "ledger"), "stream"]
    options = ("--dev", "--dpop-nonce", "both", "--client-secrets")
    granted: list[Any] = [
        {"action": "payments/count", "first_use": "auto"},
        {"action": "payments/transfer", "when": {"amount": {"max": "500.00"}}, "first_use": "auto"},
    ]
    with peers.upstream(command, os.environ, root / "server.log") as url, home.up(*options) as up:
        files = peers.tree(root / "files", "payments", url, granted)
        made = home.remit("agent", "secret", "plain", "--json").json
        idp = jose.private_key(jose.generate() | {"kid": "idp-1"})
        (root / "idp.jwks").write_text(json.dumps({"keys": [dict(idp.public.jwk)]}), encoding="utf-8")
        base = up.ready["api"]
        for each in (
            ("agent", "keygen", "bot", "--out", str(files / "agents" / "bot")),
            ("agent", "keygen", "plain", "--out", str(files / "agents" / "plain")),
            ("trust", "add", "idp", "--issuer", IDP, "--audience", base, "--jwks", str(root / "idp.jwks"),
             "--algorithms", "ES256"),
        ):  # fmt: skip
            done = home.remit(*each)
            assert done.code == 0, done.err
        _attest(
            files, "bot", {"private_key_jwt": {"jwk_file": "bot.pub.jwk"}}, {"local_process": {"uid": os.geteuid()}}
        )
        signed = {"private_key_jwt": {"jwk_file": "plain.pub.jwk"}}
        _attest(files, "plain", signed, made["attest"], {"id_jag": {"issuer": IDP, "purposes": ["work"]}})
        done = home.remit("apply", str(files), "--approve", "--as", "dana")
        assert done.code == 0, done.err
        yield Place(home, base, files, made["secret"], idp)


def _attest(files: Path, agent: str, *methods: Any) -> None:
    path = files / "agents" / f"agent-{agent}.yaml"
    said = json.loads(path.read_text(encoding="utf-8")) | {"attest": list(methods)}
    path.write_text(json.dumps(said), encoding="utf-8")


def secret(place: Place, method: str) -> httpx2.Auth:
    return ClientCredentialsOAuthProvider(
        server_url=place.tools, storage=Memory(), client_id="plain", client_secret=place.secret,
        token_endpoint_auth_method=method, scope="purpose:work", issuer=place.url,  # type: ignore[arg-type] # a word
    )  # fmt: skip


def person(place: Place, method: str) -> httpx2.Auth:
    return IdentityAssertionOAuthProvider(
        server_url=place.tools, storage=Memory(), client_id="plain", client_secret=place.secret, issuer=place.url,
        assertion_provider=place.identity_assertion, scope="purpose:work",
        token_endpoint_auth_method=method,  # type: ignore[arg-type] # a word
    )  # fmt: skip


@pytest.mark.requirement("mcp:stock-client")
@pytest.mark.requirement("client:secret")
@pytest.mark.parametrize("provider", [secret, person])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_clients_own_providers(place: Place, provider: Callable[..., httpx2.Auth], method: str) -> None:
    assert place.count(provider(place, method)) == {"result": 3}


@pytest.mark.requirement("mcp:stock-client")
@pytest.mark.requirement("client:private-key-jwt")
@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
def test_the_clients_own_provider_with_a_key(place: Place, mode: str) -> None:
    """Its `PrivateKeyJWTOAuthProvider`, as the demo makes it."""
    auth = plain_auth(place.tools, place.url, "plain", place.files / "agents" / "plain", "work")
    assert place.count(auth, mode) == {"result": 3}


@pytest.mark.requirement("dpop:nonce")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_the_sdk(place: Place, mode: str) -> None:
    auth = AgentAuth(place.url, "bot", place.files / "agents" / "bot", "work", server="payments")
    assert place.count(auth, mode) == {"result": 3}


@pytest.mark.requirement("dpop:nonce")
def test_remit_run(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "seen.json"
    command = ("run", "--agent", "bot", "--", sys.executable, str(HERE / "run_agent.py"), str(out), "2026-07-28")
    done = place.home.remit(*command)
    assert done.code == 0, done.err
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["said"]["counted"] == {"result": 4}
    assert "nonce" not in out.read_text(encoding="utf-8").lower()


@pytest.mark.requirement("client:secret")
def test_a_secret_is_a_finding(place: Place) -> None:
    found = {each["check"]: each for each in place.home.remit("doctor", "--json").json["checks"]}
    assert (found["client_secret"]["status"], found["client_secret"]["detail"].split(":")[0]) == ("warn", "plain")
