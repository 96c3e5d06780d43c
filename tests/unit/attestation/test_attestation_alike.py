"""A refused assertion takes the same work whoever is named: the time of an answer tells of no agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        self.agents: dict[str, Sequence[Any]] = {}
        self.said: dict[str, tuple[Mapping[str, Any], ...]] = {}
        self.register("one", *self.own["ES256"][:1])
        self.register("two", *self.own["Ed25519"][:1], *self.own["ES256"][:1])
        self.register("many", *self.own["ES256"])

    def client_keys(self, client: str) -> Sequence[Mapping[str, Any]]:
        return self.said.get(client, ())

    def register(self, client: str, *keys: Any) -> None:
        self.agents[client] = keys
        self.said[client] = tuple(dict(key.public.jwk) for key in keys)

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


@pytest.mark.parametrize("client", ["nobody", "one", "two", "many"])
def test_nor_does_it_import_a_key_for_each_that_there_is(monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    keys, imported = Keys(), []
    service = PrivateKeyJwt(keys, issuer=BASE)

    def counted(jwk: Mapping[str, Any]) -> Any:
        imported.append(jwk)
        return public_key(jwk)

    public_key = jose.public_key
    monkeypatch.setattr(jose, "public_key", counted)
    for _ in range(3):  # the first one since the agent's keys changed imports them
        with pytest.raises(AssertionRefused, match="client authentication failed"):
            service.authenticate(assertion(client, STRANGER["ES256"]), now=NOW)
    assert len(imported) == len(keys.agents.get(client, ()))


def test_keys_that_an_agent_gets_or_loses_count_at_once() -> None:
    keys = Keys()
    service, (first, second, *_) = PrivateKeyJwt(keys, issuer=BASE), keys.own["ES256"]
    assert service.authenticate(assertion("one", first), now=NOW)
    keys.register("one", second)
    assert service.authenticate(assertion("one", second), now=NOW)
    with pytest.raises(AssertionRefused, match="client authentication failed"):
        service.authenticate(assertion("one", first), now=NOW)
    keys.register("one")
    with pytest.raises(AssertionRefused, match="client authentication failed"):
        service.authenticate(assertion("one", second), now=NOW)


def test_the_keys_of_few_agents_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.attestation.service._KEPT", 2)
    service = PrivateKeyJwt(Keys(), issuer=BASE)
    for client in ("one", "nobody", "two", "many", "nobody-else"):
        with pytest.raises(AssertionRefused):
            service.authenticate(assertion(client, STRANGER["ES256"]), now=NOW)
    assert list(service._imported) == ["two", "many"]


def test_each_of_an_agents_keys_is_taken(verified: list[str]) -> None:
    keys = Keys()
    service = PrivateKeyJwt(keys, issuer=BASE)
    for client, own in keys.agents.items():
        for key in own:
            verified.clear()
            attested, _ = service.authenticate(assertion(client, key), now=NOW, tries=1)
            assert (attested.agent, attested.credential) == (client, key.public.thumbprint)
            assert len(verified) == 1
