from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.attestation import assertion as assertion_module
from remit.attestation.assertion import AssertionRefused, check_claims, claimed
from remit.attestation.service import PrivateKeyJwt
from remit.kernel.clock import SECOND, Instant
from remit.keys import jose

ISSUER = "http://remit.test"
NOW = Instant(1_795_608_000 * SECOND)
SECONDS = NOW // SECOND
GOOD: dict[str, Any] = {"iss": "a", "sub": "a", "aud": ISSUER, "iat": SECONDS, "exp": SECONDS + 60, "jti": "j"}
KEY, SECOND_KEY, OTHER = (jose.private_key(jose.generate()) for _ in range(3))
EDWARDS = jose.private_key(jose.generate("Ed25519"))


class Keys:
    def client_keys(self, client: str) -> Sequence[Mapping[str, Any]]:
        return [dict(key.public.jwk) for key in (KEY, SECOND_KEY, EDWARDS)] if client == "a" else []


@pytest.fixture
def clients() -> PrivateKeyJwt:
    return PrivateKeyJwt(Keys(), issuer=ISSUER)


def signed(key: jose.SigningKey = KEY, *, typ: str = "JWT", **changes: Any) -> str:
    return jose.sign({k: v for k, v in {**GOOD, **changes}.items() if v is not ...}, typ=typ, key=key)


@pytest.mark.parametrize("key", [KEY, SECOND_KEY, EDWARDS])
@pytest.mark.parametrize("typ", ["JWT", "", "client-authentication+jwt"])
@pytest.mark.requirement("client:private-key-jwt")
def test_each_registered_key_signs_for_its_agent(clients: PrivateKeyJwt, key: jose.SigningKey, typ: str) -> None:
    attested, used = clients.authenticate(signed(key, typ=typ), now=NOW)
    assert (attested.agent, attested.credential, attested.method) == ("a", key.public.thumbprint, "private_key_jwt")
    assert used.key.startswith("assertion:a:")
    assert used.expires == (SECONDS + 120) * SECOND


def test_a_key_may_be_found_without_a_kid(clients: PrivateKeyJwt) -> None:
    jwk = {name: value for name, value in SECOND_KEY.public.jwk.items() if name in ("kty", "crv", "x", "y")}
    bare = jose.SigningKey(public=jose.public_key({**jwk, "kid": "what stock clients leave out"}), key=SECOND_KEY.key)
    assert clients.authenticate(signed(bare), now=NOW)[0].credential == SECOND_KEY.public.thumbprint


def test_a_kid_that_names_one_key_is_not_tried_on_another(clients: PrivateKeyJwt) -> None:
    liar = jose.SigningKey(
        public=jose.public_key({**SECOND_KEY.public.jwk, "kid": KEY.public.thumbprint}), key=SECOND_KEY.key
    )
    with pytest.raises(AssertionRefused):
        clients.authenticate(signed(liar), now=NOW)


@pytest.mark.requirement("client:indistinguishable")
def test_an_unknown_agent_and_a_wrong_key_read_alike(clients: PrivateKeyJwt, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    real = jose.PublicKey.verifies

    def counted(self: jose.PublicKey, signature: bytes, message: bytes) -> bool:
        verified.append(self.thumbprint)
        return real(self, signature, message)

    monkeypatch.setattr(jose.PublicKey, "verifies", counted)
    texts = []
    for assertion in (signed(OTHER), signed(OTHER, iss="nobody", sub="nobody")):
        with pytest.raises(AssertionRefused) as caught:
            clients.authenticate(assertion, now=NOW)
        texts.append((str(caught.value), caught.value.code))
    assert texts[0] == texts[1]
    assert len(verified) >= 2  # a signature was checked for the unknown one, too


def test_a_stranger_with_the_decoy_is_still_a_stranger(clients: PrivateKeyJwt) -> None:
    """Even whoever knew the key that stands in for unknown agents would be nobody."""
    key = jose.private_key(jose.generate())
    clients._decoys["ES256"] = key.public
    with pytest.raises(AssertionRefused):
        clients.authenticate(signed(key, iss="nobody", sub="nobody"), now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "b"},
        {"iss": ...},
        {"sub": ...},
        {"sub": ["a"]},
        {"aud": ...},
        {"aud": [ISSUER]},
        {"aud": f"{ISSUER}/"},
        {"exp": ...},
        {"exp": SECONDS},
        {"exp": SECONDS - 1},
        {"exp": SECONDS + 301},
        {"exp": SECONDS + 301, "iat": ...},
        {"exp": str(SECONDS + 60)},
        {"exp": True},
        {"exp": 10**30},
        {"iat": SECONDS + 61},
        {"iat": SECONDS - 361},
        {"nbf": SECONDS + 61},
        {"jti": ...},
        {"jti": ""},
        {"jti": "j" * 257},
        {"jti": 7},
    ],
    ids=str,
)
@pytest.mark.requirement("client:claims")
def test_a_claim_that_is_wrong_authenticates_nobody(clients: PrivateKeyJwt, changes: dict[str, Any]) -> None:
    with pytest.raises(AssertionRefused) as caught:
        clients.authenticate(signed(**changes), now=NOW)
    assert str(caught.value) == "client authentication failed"


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": ...},
        {"exp": SECONDS + 300},
        {"exp": SECONDS + 300, "iat": ...},
        {"iat": SECONDS + 60, "exp": SECONDS + 360},
        {"iat": SECONDS - 290, "exp": SECONDS + 1},
        {"nbf": SECONDS + 60},
        {"extra": {"a": 1}},
    ],
    ids=str,
)
def test_clocks_may_differ_by_a_minute(clients: PrivateKeyJwt, changes: dict[str, Any]) -> None:
    assert clients.authenticate(signed(**changes), now=NOW)


@pytest.mark.parametrize(
    "assertion", ["", "a", "a.b", "a.b.c", "..", "a.e30.c", "é.é.é", "a." + "b" * 9000 + ".c", "a.W10.c"]
)
def test_what_is_no_assertion_authenticates_nobody(clients: PrivateKeyJwt, assertion: str) -> None:
    with pytest.raises(AssertionRefused):
        clients.authenticate(assertion, now=NOW)


def test_what_is_too_long_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever has no key at all would have megabytes of their text decoded and parsed."""
    token = signed()
    assert claimed(token, most=len(token))[1] == GOOD
    read: list[str] = []
    monkeypatch.setattr(assertion_module, "_claimed", read.append)
    with pytest.raises(AssertionRefused) as refused:
        claimed(token, most=len(token) - 1)
    assert (refused.value.reason, read) == ("not a compact token", [])


@given(st.text(max_size=200))
def test_any_text_is_judged_and_never_breaks(assertion: str) -> None:
    with pytest.raises(AssertionRefused):
        PrivateKeyJwt(Keys(), issuer=ISSUER).authenticate(assertion, now=NOW)


@given(
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2)),
    )
)
def test_any_claims_are_judged_and_never_break(claims: dict[str, Any]) -> None:
    merged = GOOD | claims
    try:
        _, expires = check_claims(merged, client="a", issuer=ISSUER, now=NOW)
    except AssertionRefused:
        return
    assert merged["aud"] == ISSUER
    assert NOW < merged["exp"] * SECOND <= NOW + 360 * SECOND
    assert expires > NOW
