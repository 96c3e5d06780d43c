from __future__ import annotations

from typing import Any

import pytest
from tests.unit.attestation.issuer import BASE, Key, key_set

from remit.attestation.trust import SPIFFE, Trust, body, declared, stored
from remit.kernel.clock import DAY, HOUR, MINUTE
from remit.keys.jose import generate
from remit.outbound.model import Endpoint
from remit.people.document import SpecInvalid
from remit.server.platforms import usual

KEY, BUNDLE = Key("ES256"), Key("ES256", use="jwt-svid")
OIDC: dict[str, Any] = {"trust": "idp", "issuer": "https://idp.example", "audience": BASE}


def read(**changes: Any) -> Trust:
    said = OIDC | changes
    return declared({k: v for k, v in said.items() if v is not ...}, usual=usual())


def problems(**changes: Any) -> list[str]:
    with pytest.raises(SpecInvalid) as refused:
        read(**changes)
    return [str(each) for each in refused.value.problems]


def test_what_is_usual_of_a_platform() -> None:
    github = read(trust="github", preset="github_actions", issuer=...)
    assert (github.issuer, github.algorithms) == ("https://token.actions.githubusercontent.com", ("RS256",))
    assert github.max_age == 15 * MINUTE
    assert read(preset="gcp", issuer=...).issuer == "https://accounts.google.com"
    assert read(preset="azure").max_age == 24 * HOUR
    assert read().preset == "oidc"


def test_a_stored_trust_is_the_one_that_was_declared() -> None:
    for each in (
        read(), read(preset="azure", reuse=True, max_age="10m"), read(jwks=key_set(KEY), algorithms=["ES256", "EdDSA"]),
        read(private=True, issuer="http://127.0.0.1:8123"), read(jwks_url="https://keys.example/jwks"),
        declared({"trust": "prod.example", "preset": SPIFFE, "jwks": key_set(BUNDLE)}, usual=usual()),
    ):  # fmt: skip
        assert stored(each.trust, body(each)) == each


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"audience": ...}, "audience: is missing"),
        ({"issuer": ...}, "issuer: is missing"),
        ({"issuer": "http://idp.example"}, "an https URL is expected"),
        ({"issuer": "http://127.0.0.1:8123"}, "an https URL is expected"),
        ({"issuer": "http://idp.example", "private": True}, "an https URL is expected"),
        ({"issuer": "https://idp.example?x=1"}, "no query"),
        ({"issuer": "https://idp.example#x"}, "no query"),
        ({"issuer": "https://user:pw@idp.example"}, "user or password"),
        ({"issuer": "https://idp.exämple"}, "in ASCII"),
        ({"issuer": "idp.example"}, "only http and https"),
        ({"algorithms": ["HS256"]}, "algorithms.0: must be"),
        ({"algorithms": ["none"]}, "must be"),
        ({"algorithms": []}, "from 1 to"),
        ({"trust": "IdP"}, "must match"),
        ({"preset": "gitlab"}, "must be"),
        ({"max_age": "2d"}, "too long"),
        ({"reuse": "yes"}, "true or false"),
        ({"jwks": key_set(KEY), "jwks_url": "https://keys.example"}, "not both"),
        ({"jwks": {"keys": []}}, "no key that can be used"),
        ({"jwks": {"keys": [generate()]}}, "private or symmetric"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AA", "kid": "a"}]}}, "private or symmetric"),
        ({"unknown": 1}, "unknown key"),
        ({"preset": "kubernetes", "audience": "https://kubernetes.default.svc.cluster.local"}, "cluster's own API"),
        ({"preset": "github_actions", "issuer": ..., "audience": "https://github.com/octo-org"}, "nobody asks"),
        ({"preset": "azure", "audience": "https://management.azure.com/"}, "Azure's own API"),
        ({"preset": "spiffe"}, "not chosen"),
        ({"preset": "spiffe", "issuer": ..., "audience": ...}, "bundle endpoint"),
        ({"preset": "spiffe", "issuer": ..., "audience": ..., "jwks": key_set(KEY)}, "no key that can be used"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], said: str) -> None:
    assert any(said in each for each in problems(**changes))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.8", "[::1]", "localhost", "a.localhost", "169.254.169.254", "[::ffff:a9fe:a9fe]",
     "[64:ff9b::7f00:1]", "127.1", "0177.0.0.1", "2130706433", "0x7f000001", "127.0x1", "1.1"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["issuer", "jwks_url"])
def test_addresses_that_nobody_said_may_be_private(host: str, where: str) -> None:
    assert problems(**{where: f"https://{host}/x"})


def test_a_private_host_is_opened_as_it_is_written_and_only_if_keys_are_fetched() -> None:
    private = read(private=True, issuer="https://10.0.0.8:6443", jwks_url="https://k8s.internal/jwks")
    assert private.endpoints == {Endpoint("10.0.0.8", 6443), Endpoint("k8s.internal", 443)}
    assert read(private=True, issuer="https://10.0.0.8:6443", jwks=key_set(KEY)).endpoints == set()
    assert read().endpoints == set()
    # An issuer that is only compared, and never called, may be called anything.
    assert read(issuer="https://10.0.0.8:6443", jwks=key_set(KEY)).issuer == "https://10.0.0.8:6443"
    for odd in ("https://127.1", "https://0x7f000001"):
        assert problems(issuer=odd, private=True)


def test_a_trust_domain_is_its_name_and_its_identities_are_for_this_deployment_alone() -> None:
    found = declared({"trust": "prod.example", "preset": SPIFFE, "jwks_url": "https://spire.example/bundle"},
                     usual=usual())  # fmt: skip
    assert (found.issuer, found.audience) == ("spiffe://prod.example", "")
    assert "EdDSA" not in found.algorithms
    assert found.max_age == HOUR < DAY
