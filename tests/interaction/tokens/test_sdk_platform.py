"""The SDK with the platform's word in place of a key, against the real routes and a real issuer's site."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.interaction.tokens.issuer_site import Issuer
from tests.interaction.tokens.test_trusted_issuers import Cloud
from tests.unit.attestation.issuer import ASKED

from remit.kernel.clock import MINUTE
from remit.sdk.auth import AgentAuth, TokenRefused
from remit.sdk.platform import PlatformToken, PlatformTokenInvalid, token_file


@pytest.fixture
def cloud(world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    issuer = Issuer()
    found = Cloud(world, issuer)
    found.trusting.declare(trust="idp", issuer=issuer.url, audience=world.base, private=True)
    found.bind("invoice-bot", "oidc", trust="idp", claims={"sub": "workload-17"})
    for clock in ("time.time", "time.monotonic"):
        monkeypatch.setattr(f"remit.sdk.grant.{clock}", lambda: world.clock.at / 1_000_000)
    yield found
    issuer.close()


async def got(cloud: Cloud, auth: AgentAuth, times: int = 1) -> None:
    """Requests with the token that `auth` gets; each finds it about to end."""
    transport = httpx2.ASGITransport(app=cloud.world.app)
    async with httpx2.AsyncClient(auth=auth, transport=transport, base_url=cloud.world.base) as client:
        for _ in range(times):
            await client.get("/oauth2/jwks")
            cloud.world.clock.at += 5 * MINUTE


def test_the_file_is_read_anew_for_each_token(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "token"
    shown: list[str] = []

    def fresh() -> str:
        file.write_text(cloud.issuer.keys[0].sign(cloud.said(jti=str(len(shown)))) + "\n", encoding="ascii")
        shown.append(token_file(file).read())
        return shown[-1]

    asyncio.run(got(cloud, AgentAuth(cloud.world.base, "invoice-bot", PlatformToken(fresh), "pay-invoices"), times=2))
    assert len(set(shown)) == 2
    tokens = cloud.world.entries("token")
    assert [each["credential"].partition(":")[0] for each in tokens] == ["oidc", "oidc"]
    assert len({each["run"] for each in tokens}) == 1


def test_a_spiffe_identity_is_shown_as_one(cloud: Cloud, tmp_path: Path) -> None:
    cloud.trusting.declare(trust="prod.example", preset="spiffe", jwks_url=f"{cloud.issuer.url}/bundle", private=True)
    cloud.bind("invoice-bot", "spiffe", trust="prod.example", **ASKED["spiffe"])
    file = tmp_path / "svid"
    file.write_text(cloud.issuer.bundle[0].sign(cloud.said("spiffe", jti="1")), encoding="ascii")
    asyncio.run(got(cloud, AgentAuth(cloud.world.base, "invoice-bot", token_file(file), "pay-invoices")))
    (entry,) = cloud.world.entries("token")
    assert entry["credential"].startswith("spiffe:")


def test_a_platforms_word_for_another_agent_is_worth_nothing(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(cloud.issuer.keys[0].sign(cloud.said()), encoding="ascii")
    with pytest.raises(TokenRefused, match="client authentication failed"):
        asyncio.run(got(cloud, AgentAuth(cloud.world.base, "plain-bot", token_file(file), "pay-invoices")))


@pytest.mark.parametrize("text", ["", "not a token", "a.b.c", "e30.e30.", "a." + "x" * 20_000 + ".c"])
def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="ascii")
    with pytest.raises(PlatformTokenInvalid):
        token_file(file).shown()


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        token_file(tmp_path / "none").shown()
