"""Security event tokens, as RFC 8417 and the CAEP interoperability profile have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet

from remit.kernel.canonical import parse
from remit.kernel.clock import Instant
from remit.keys import jose
from remit.keys.base64url import decode
from remit.keys.foreign import key_set
from remit.keys.model import TOKEN_ALGORITHMS
from remit.keys.security_event import ACCESS_WITHDRAWN, TYP, SecurityEvent, signed
from remit.keys.set_key import generate_set_key, set_key

KEY = set_key(generate_set_key())
NOW = Instant(1_800_000_000_999_999)
EVENT = SecurityEvent(
    issuer="https://remit.example", audience="https://crm.example/rights", agent="bot", transaction="wdr_1",
    kind=ACCESS_WITHDRAWN, happened=Instant(1_799_999_990_500_000), about={"purpose": "work", "action": "crm/read"},
)  # fmt: skip
CLAIMS = {
    "iss": "https://remit.example",
    "jti": "set_1",
    "iat": 1_800_000_000,
    "aud": "https://crm.example/rights",
    "txn": "wdr_1",
    "sub_id": {"format": "iss_sub", "iss": "https://remit.example", "sub": "bot"},
    "events": {ACCESS_WITHDRAWN: {"purpose": "work", "action": "crm/read", "event_timestamp": 1_799_999_990}},
}


def token() -> str:
    return signed(EVENT, key=KEY, jti="set_1", now=NOW)


@pytest.mark.requirement("set:claims")
@pytest.mark.requirement("set:typ")
def test_it_says_what_happened_once_and_never_expires() -> None:
    header, claims = (parse(decode(part)) for part in token().split(".")[:2])
    assert header == {"alg": "RS256", "typ": "secevent+jwt", "kid": KEY.kid}
    assert claims == CLAIMS
    assert not {"exp", "nbf", "sub", "client_id", "scope"} & claims.keys()
    assert len(claims["events"]) == 1


def test_a_stock_library_verifies_it() -> None:
    found = jwt.decode(token(), KeySet.import_key_set({"keys": [dict(KEY.jwk)]}), algorithms=["RS256"])
    assert (found.header["typ"], found.claims) == (TYP, CLAIMS)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(agent=texts, audience=texts, about=st.dictionaries(texts, texts, max_size=3), at=st.integers(0, 4 * 10**15))
def test_the_same_event_is_the_same_token_and_is_read_as_it_was_said(
    agent: str, audience: str, about: dict[str, str], at: int
) -> None:
    event = SecurityEvent(
        issuer="https://remit.example", audience=audience, agent=agent, transaction="wdr_1", kind="urn:x:y",
        happened=Instant(at), about=about,
    )  # fmt: skip
    said = signed(event, key=KEY, jti="set_1", now=NOW)
    assert said == signed(event, key=KEY, jti="set_1", now=NOW)
    _, claims = jose.verify(said, typ=TYP, algorithms=("RS256",), key=key_set({"keys": [KEY.jwk]}).find)
    assert (claims["aud"], claims["sub_id"]["sub"]) == (audience, agent)
    assert claims["events"] == {"urn:x:y": {**about, "event_timestamp": at // 1_000_000}}


def test_when_it_happened_is_no_ones_word_but_the_events() -> None:
    said = signed(replace(EVENT, about={"event_timestamp": "never"}), key=KEY, jti="set_1", now=NOW)
    claims = parse(decode(said.split(".")[1]))
    assert claims["events"] == {ACCESS_WITHDRAWN: {"event_timestamp": 1_799_999_990}}


@pytest.mark.requirement("set:apart")
@pytest.mark.parametrize("change", [{"typ": "at+jwt"}, {"algorithms": TOKEN_ALGORITHMS}, {"key": lambda _header: None}])
def test_what_takes_access_tokens_takes_none_of_them(change: dict[str, Any]) -> None:
    """Each of the three alone is enough: the type, the algorithm, the key."""
    asked: dict[str, Any] = {"typ": TYP, "algorithms": ("RS256",), "key": key_set({"keys": [KEY.jwk]}).find}
    assert jose.verify(token(), **asked)
    with pytest.raises(jose.JoseInvalid):
        jose.verify(token(), **(asked | change))
