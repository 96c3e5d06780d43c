"""A refused assertion takes the same work whoever is named: the time of an answer tells of no agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from remit.attestation.assertion import AssertionRefused
from remit.attestation.service import PrivateKeyJwt
from remit.kernel.clock import SECOND, Instant
from remit.keys import jose, jwk

NOW = Instant(1_795_608_000 * SECOND)
BASE = "http://remit.test"
STRANGER = {name: jose.private_key(jose.generate(name)) for name in ("ES256", "Ed25519")}


class Keys:
    """Two agents have keys; of any other there is nothing."""

    def __init__(self) -> None:
        self.own = {name: [jose.private_key(jose.generate(name)) for _ in range(6)] for name in ("ES256", "Ed25519")}
        self.agents: dict[str, Sequence[Any]] = {
            "one": self.own["ES256"][:1], "two": [*self.own["Ed25519"][:1], *self.own["ES256"][:1]],
            "many": self.own["ES256"],
        }  # fmt: skip

    def client_keys(self, client: str) -> list[dict[str, Any]]:
        return [dict(key.public.jwk) for key in self.agents.get(client, ())]

    def local_uids(self, _client: str) -> tuple[int, ...]:
        return ()


def assertion(client: str, key: Any, **header: Any) -> str:
    seconds = NOW // SECOND
    claims = {"iss": client, "sub": client, "aud": BASE, "iat": seconds, "exp": seconds + 60, "jti": "1"}
    return jose.sign(claims, typ="JWT", key=key, **header)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The algorithm of each signature that is verified."""
    found: list[str] = []
    verifies = jwk.PublicKey.verifies

    def counted(self: Any, signature: bytes, message: bytes) -> bool:
        found.append(self.algorithm)
        return verifies(self, signature, message)

    monkeypatch.setattr(jwk.PublicKey, "verifies", counted)
    return found


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
@pytest.mark.parametrize("tries", [1, 4])
def test_a_refusal_verifies_as_many_signatures_whoever_is_named(
    verified: list[str], algorithm: str, tries: int
) -> None:
    service, seen = PrivateKeyJwt(Keys(), issuer=BASE), []
    for client in ("nobody", "one", "two", "many"):
        verified.clear()
        with pytest.raises(AssertionRefused, match="client authentication failed"):
            service.authenticate(assertion(client, STRANGER[algorithm]), now=NOW, tries=tries)
        seen.append(list(verified))
    assert seen == [[algorithm] * tries] * 4


def test_each_of_an_agents_keys_is_taken(verified: list[str]) -> None:
    keys = Keys()
    service = PrivateKeyJwt(keys, issuer=BASE)
    for client, own in keys.agents.items():
        for key in own:
            verified.clear()
            attested, _ = service.authenticate(assertion(client, key), now=NOW, tries=1)
            assert (attested.agent, attested.credential) == (client, key.public.thumbprint)
            assert len(verified) == 1
