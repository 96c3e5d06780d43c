"""URLs of issuers and of their keys that stand for this machine or a metadata service: 0 connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.interaction.tokens.issuer_site import Issuer, Trusting

from remit.attestation.issuer_keys import IssuerKeys
from remit.attestation.ports import Loaded
from remit.attestation.published import PublishedKeys
from remit.attestation.trust import Trust
from remit.kernel.errors import RemitError
from remit.outbound.fetch import Fetched
from remit.outbound.resolve import PinnedResolver

SPELLINGS = [
    "169.254.169.254",
    "127.0.0.1",
    "127.1",
    "0177.0.0.1",
    "2130706433",
    "0x7f000001",
    "①②⑦.⓪.⓪.①",
    "localhost",
    "[::1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.close()


@pytest.fixture
def trusting(world: Any, issuer: Issuer) -> Trusting:
    return Trusting(issuer, world.database, world.standing, world.clock, base=world.base)


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("where", ["issuer", "jwks_url"])
def test_no_operator_declares_them_unawares(trusting: Trusting, host: str, where: str) -> None:
    port = trusting.issuer.url.rpartition(":")[2]
    said = {"trust": "idp", "issuer": "https://idp.example", "audience": "x", where: f"https://{host}:{port}"}
    with pytest.raises(RemitError):
        trusting.declare(**said)
    assert trusting.issuer.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", SPELLINGS)
def test_no_discovery_document_sends_remit_there(trusting: Trusting, host: str, scheme: str) -> None:
    """A public issuer names keys on this machine; another trust has that port open for itself."""
    issuer = trusting.issuer
    port = issuer.url.rpartition(":")[2]
    trusting.declare(trust="own", issuer=issuer.url, audience="x", private=True)
    public = trusting.declare(trust="idp", issuer="https://idp.example", audience="x")
    real = trusting.keys._load.fetch  # type: ignore[attr-defined]

    class Half:
        """The discovery document is made up; what it names is fetched in earnest."""

        def get(self, url: str, *, own: Any = ()) -> Fetched:
            if url.startswith("https://idp.example/"):
                keys = f'"jwks_uri": "{scheme}://{host}:{port}/keys"'
                return Fetched(f'{{"issuer": "https://idp.example", {keys}}}'.encode(), "application/json")
            found: Fetched = real.get(url, own=own)
            return found

    with pytest.raises(RemitError):
        PublishedKeys(Half())(public)
    assert issuer.asked == []


def test_a_name_whose_answer_changes_is_judged_when_it_is_dialled(
    trusting: Trusting, monkeypatch: pytest.MonkeyPatch, world: Any
) -> None:
    """DNS rebinding: public when it was declared, this machine when it is called."""
    port = trusting.issuer.url.rpartition(":")[2]
    trust = trusting.declare(trust="idp", issuer=f"https://idp.example:{port}", audience="x")

    async def rebound(self: PinnedResolver, host: str, port: int, family: object) -> list[tuple[int, str]]:
        return [(2, "127.0.0.1")]

    monkeypatch.setattr(PinnedResolver, "_lookup", rebound)

    def load(one: Trust) -> Loaded:
        return trusting.keys._load(one)

    keys = IssuerKeys(load, world.clock)
    assert not keys.for_kid(trust, "first").knows("first")
    assert "private address" in str(keys.state(trust).failure)
    assert trusting.issuer.asked == []
