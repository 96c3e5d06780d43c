"""No mutated token or proof is accepted, whatever was changed in it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.clock import SECOND, Instant
from remit.keys import jose
from remit.keys.model import TokenKeys
from remit.tokens.check import TokenChecker, TokenInvalid

ISSUER = "http://remit.test"
URL = f"{ISSUER}/mcp/payments"
NOW = Instant(1_795_608_000 * SECOND)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

SERVER, CLIENT = jose.private_key(jose.generate()), jose.private_key(jose.generate())
KEYS = TokenKeys(active=SERVER, verifying={SERVER.kid: SERVER.public})
TOKEN = jose.sign(
    {
        "iss": ISSUER,
        "sub": "invoice-bot",
        "client_id": "invoice-bot",
        "aud": [ISSUER, URL],
        "iat": NOW // SECOND,
        "exp": NOW // SECOND + 300,
        "jti": "tok_1",
        "scope": "purpose:pay-invoices",
        "purpose": "pay-invoices",
        "run": "run_1",
        "run_exp": NOW // SECOND + 3600,
        "instance": CLIENT.public.thumbprint,
        "cred": "thumb",
        "cnf": {"jkt": CLIENT.public.thumbprint},
    },
    typ="at+jwt",
    key=SERVER,
)
PROOF = jose.sign(
    {
        "jti": "one",
        "htm": "POST",
        "htu": URL,
        "iat": NOW // SECOND,
        "ath": base64.urlsafe_b64encode(hashlib.sha256(TOKEN.encode()).digest()).rstrip(b"=").decode(),
    },
    typ="dpop+jwt",
    key=CLIENT,
)


def check(checker: TokenChecker, token: str, proof: str) -> Any:
    return checker.check(
        authorization=f"DPoP {token}", dpop=proof, method="POST", url=URL, audiences=(ISSUER,), now=NOW
    )


@st.composite
def mutations(draw: st.DrawFn, text: str) -> str:
    """`text` with one thing done to it: a character replaced, dropped, doubled or swapped, or a part exchanged."""
    at = draw(st.integers(0, len(text) - 1))
    kind = draw(st.sampled_from(["replace", "drop", "insert", "swap", "cut", "part"]))
    if kind == "replace":
        return text[:at] + draw(st.sampled_from(ALPHABET + "=.+/ \n\x00é")) + text[at + 1 :]
    if kind == "drop":
        return text[:at] + text[at + 1 :]
    if kind == "insert":
        return text[:at] + draw(st.sampled_from(ALPHABET + "=.")) + text[at:]
    if kind == "swap":
        other = draw(st.integers(0, len(text) - 1))
        low, high = sorted((at, other))
        return text[:low] + text[high] + text[low + 1 : high] + text[low] + text[high + 1 :] if low < high else text
    if kind == "cut":
        return text[:at]
    parts, others = text.split("."), draw(st.sampled_from([TOKEN, PROOF])).split(".")
    part = draw(st.integers(0, 2))
    parts[part] = others[part]
    return ".".join(parts)


@pytest.mark.requirement("token:no-forgery")
@given(mutations(TOKEN))
@settings(max_examples=400)
def test_no_mutated_token_is_accepted(token: str) -> None:
    warm = TokenChecker(KEYS, issuer=ISSUER)
    assert check(warm, TOKEN, PROOF)
    if token == TOKEN:
        return
    for checker in (warm, TokenChecker(KEYS, issuer=ISSUER)):  # with the good one remembered, and without
        with pytest.raises(TokenInvalid):
            check(checker, token, PROOF)


@pytest.mark.requirement("dpop:no-forgery")
@given(mutations(PROOF))
@settings(max_examples=400)
def test_no_mutated_proof_is_accepted(proof: str) -> None:
    checker = TokenChecker(KEYS, issuer=ISSUER)
    if proof == PROOF:
        return
    with pytest.raises(TokenInvalid) as caught:
        check(checker, TOKEN, proof)
    assert caught.value.error == "invalid_dpop_proof"


@given(st.text(), st.text(), st.sampled_from(["GET", "POST"]), st.text())
def test_any_text_is_judged_and_never_breaks(authorization: str, dpop: str, method: str, url: str) -> None:
    checker = TokenChecker(KEYS, issuer=ISSUER)
    with pytest.raises(TokenInvalid):
        checker.check(authorization=authorization, dpop=dpop, method=method, url=url, audiences=(ISSUER,), now=NOW)


def test_only_what_verified_is_remembered_and_no_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.tokens.check._CACHED", 2)
    checker = TokenChecker(KEYS, issuer=ISSUER)
    with pytest.raises(TokenInvalid):
        check(checker, TOKEN[:-8] + "AAAAAAAA", PROOF)
    assert len(checker._seen) == 0
    _, claims = jose.verify(TOKEN, typ="at+jwt", algorithms=("ES256",), key=lambda _: SERVER.public)
    for number in range(4):
        other = jose.sign({**claims, "jti": f"tok_{number}"}, typ="at+jwt", key=SERVER)
        with pytest.raises(TokenInvalid, match="another token"):
            check(checker, other, PROOF)
    assert len(checker._seen) == 2


def test_a_remembered_token_is_believed_no_longer_than_its_key() -> None:
    """Retired in its time: nobody distrusts the key, and yet it verifies nothing more."""
    keys, other = TokenKeys(active=SERVER, verifying={SERVER.kid: SERVER.public}), jose.private_key(jose.generate())
    checker = TokenChecker(keys, issuer=ISSUER)
    assert check(checker, TOKEN, PROOF)
    assert checker.read(TOKEN, now=NOW) is not None
    keys.replace(TokenKeys(active=other, verifying={other.kid: other.public}))
    assert not keys.distrusts(SERVER.kid)
    with pytest.raises(TokenInvalid, match="the token is not valid"):
        check(checker, TOKEN, PROOF)
    assert checker.read(TOKEN, now=NOW) is None


def test_a_remembered_token_is_forgotten_when_it_ends() -> None:
    checker = TokenChecker(KEYS, issuer=ISSUER)
    check(checker, TOKEN, PROOF)
    with pytest.raises(TokenInvalid, match="expired"):
        checker.check(
            authorization=f"DPoP {TOKEN}",
            dpop=PROOF,
            method="POST",
            url=URL,
            audiences=(ISSUER,),
            now=Instant(NOW + 300 * SECOND),
        )
    assert len(checker._seen) == 0
