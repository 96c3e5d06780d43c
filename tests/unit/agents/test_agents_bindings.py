"""What an agent's document may say of certificates, secrets and other issuers' words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.agents import spec
from remit.agents.bindings import client_secret, id_jag, mtls
from remit.agents.credentials import credentials
from remit.agents.model import SenderConstraint
from remit.agents.sql import body
from remit.people.document import SpecInvalid

THUMB = "A" * 43
HASH = client_secret.hashed("x", salt=b"s" * 16)
ISSUER = "https://idp.example.test"


def document(*attest: Any, **changes: Any) -> dict[str, Any]:
    found = {"agent": "bot", "owner": "dana", "purposes": ["pay"], "not_after": "2027-06-30", "attest": list(attest)}
    return found | changes


GOOD: list[Any] = [
    {"tls_client_auth": {"subject_dn": "CN=bot,O=Example"}},
    {"tls_client_auth": {"san_uri": "spiffe://example.test/bot"}},
    {"tls_client_auth": {"san_ip": "2001:DB8::1"}},
    {"self_signed_tls_client_auth": {"x5t#S256": THUMB}},
    {"client_secret": {"scrypt": HASH}},
    {"id_jag": {"issuer": ISSUER, "purposes": ["pay"]}},
    {"jwt_bearer": {"issuer": ISSUER, "purposes": ["pay"], "subjects": ["workload-7"]}},
]


@pytest.mark.parametrize("method", GOOD, ids=str)
def test_each_is_read_and_stored_as_it_is(method: dict[str, Any]) -> None:
    agent = spec.agent(document(method))
    (binding,) = agent.bindings
    assert binding.method == next(iter(method))
    assert binding.credential in credentials(agent)
    assert binding.method in body(agent)


def test_names_are_compared_in_one_spelling() -> None:
    assert mtls.signed({"san_ip": "2001:DB8::1"}) == {"san_ip": "2001:db8::1"}


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        ({"tls_client_auth": {}}, "exactly one"),
        ({"tls_client_auth": {"san_dns": "a", "san_uri": "b"}}, "exactly one"),
        ({"tls_client_auth": {"san_dns": "*.example.test"}}, "matched whole"),
        ({"tls_client_auth": {"subject_dn": "bot"}}, "distinguished name"),
        ({"tls_client_auth": {"san_ip": "10.0.0"}}, "IP address"),
        ({"tls_client_auth": {"issuer_dn": "CN=CA"}}, "unknown key"),
        ({"self_signed_tls_client_auth": {"x5t#S256": "AAAA"}}, "43 characters"),
        ({"self_signed_tls_client_auth": {"x5t#S256": "A" * 42 + "B"}}, "43 characters"),
        ({"client_secret": {"scrypt": "hunter2"}}, "never the secret itself"),
        ({"client_secret": {"scrypt": HASH.replace("ln=15", "ln=1")}}, "never the secret itself"),
        ({"client_secret": {"secret": "hunter2"}}, "unknown key"),
        ({"id_jag": {"issuer": "idp.example.test", "purposes": ["pay"]}}, "an issuer is a URL"),
        ({"id_jag": {"issuer": ISSUER, "purposes": []}}, "from 1 to"),
        ({"id_jag": {"issuer": ISSUER, "purposes": ["pay"], "subjects": ["*"]}}, "matched whole"),
        ({"jwt_bearer": {"issuer": ISSUER, "purposes": ["pay"]}}, "is missing"),
    ],
    ids=str,
)
def test_what_is_dangerous_is_refused_with_its_reason(method: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        spec.agent(document(method))
    assert any(problem in str(each) for each in caught.value.problems)


def test_a_token_may_be_bound_to_a_certificate() -> None:
    assert spec.agent(document(GOOD[0], sender_constraint="mtls")).sender_constraint is SenderConstraint.MTLS


@settings(max_examples=5, deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40), st.binary(min_size=16, max_size=16))
def test_a_hash_fits_its_own_secret_alone(secret: str, other: str, salt: bytes) -> None:
    written = client_secret.hashed(secret, salt=salt)
    assert client_secret.fits(secret, written)
    assert client_secret.fits(other, written) == (other == secret)
    assert client_secret.client_secret({"scrypt": written}) == {"scrypt": written}


def test_an_issuers_word_is_no_way_in() -> None:
    """It stands under `attest`, and no client method is called that."""
    assert {id_jag.ID_JAG, id_jag.JWT_BEARER}.isdisjoint({mtls.SIGNED, mtls.SELF_SIGNED, client_secret.METHOD})
