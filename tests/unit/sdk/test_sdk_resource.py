"""What a resource server takes for a token and a proof: nothing that Remit itself would not take."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import SECOND, Instant
from remit.keys import jose
from remit.sdk import jws, keyfile
from remit.sdk.access_token import TokenInvalid, credentials, read
from remit.sdk.dpop import MemoryFull, Nonces, Seen, check_proof
from remit.sdk.grant import proof
from remit.sdk.jws import JwsInvalid, public_key
from remit.tokens.check import TokenChecker
from remit.tokens.check import TokenInvalid as ServerInvalid

KEY = jose.private_key(jose.generate("ES256"))
OTHER = jose.private_key(jose.generate("Ed25519"))
HOLDER, THIEF = keyfile.fresh(), keyfile.fresh()
ISSUER, NOW = "https://remit.test", 1_800_000_000
AUDIENCE = f"{ISSUER}/mcp/payments"
URL = "https://api.test/transfers"


class Keys:
    """As much of Remit's token keys as the server's own check uses."""

    def public(self, kid: str) -> jose.PublicKey | None:
        return KEY.public if kid == KEY.kid else None

    def distrusts(self, _kid: str) -> bool:
        return False


def claims(**changed: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "iss": ISSUER, "sub": "bot", "client_id": "bot", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300, "jti": "tok_1",
        "scope": "purpose:work", "purpose": "work", "run": "run_1", "run_exp": NOW + 900, "instance": "one",
        "cred": "key", "cnf": {"jkt": HOLDER.thumbprint},
    }  # fmt: skip
    return {name: value for name, value in (said | changed).items() if value is not None}


def token(said: Mapping[str, Any] | None = None, *, typ: str = "at+jwt", key: Any = KEY) -> str:
    return jose.sign(dict(said or claims()), typ=typ, key=key)


def find(kid: str) -> jws.PublicKey | None:
    return public_key(KEY.public.jwk) if kid == KEY.kid else None


def here(shown: str, *, scheme: str = "DPoP", now: int = NOW) -> Any:
    return read(shown, scheme=scheme, issuer=ISSUER, audiences=frozenset({AUDIENCE}), key=find, now=now)


def there(shown: str, *, scheme: str = "DPoP", now: int = NOW, dpop: str | None = None) -> Any:
    checker = TokenChecker(Keys(), issuer=ISSUER)  # type: ignore[arg-type] # as much as it uses
    return checker.check(
        authorization=f"{scheme} {shown}", dpop=dpop, method="POST", url=URL, audiences={AUDIENCE},
        now=Instant(now * SECOND),
    )  # fmt: skip


def test_a_good_one_says_who_calls() -> None:
    found = here(token())
    assert (found.agent, found.purpose, found.instance, found.run, found.jkt) == (
        "bot", "work", "one", "run_1", HOLDER.thumbprint,
    )  # fmt: skip
    links = {"id": "dlg_1", "links": [{"agent": "boss", "instance": "i", "cred": "c", "run": "r", "token": "t"}]}
    assert here(token(claims(sub="boss", delegation=links))).acts_for == ("boss",)


CHANGES: list[dict[str, Any]] = [
    {"iss": "https://other.test"}, {"sub": "other"}, {"aud": f"{ISSUER}/mcp/other"}, {"aud": []}, {"exp": NOW},
    {"exp": "never"}, {"exp": None}, {"run_exp": None}, {"scope": "purpose:other"}, {"scope": None}, {"purpose": 7},
    {"jti": None}, {"client_id": None}, {"cred": None}, {"cnf": {}}, {"cnf": {"jkt": 7}}, {"cnf": "x"},
    {"cnf": {"x5t#S256": "a" * 43}}, {"delegation": {"id": "d", "links": []}}, {"delegation": {}}, {"instance": None},
]  # fmt: skip


@pytest.mark.parametrize("changed", CHANGES, ids=json.dumps)
def test_what_the_server_refuses_is_refused_here(changed: dict[str, Any]) -> None:
    shown = token(claims(**changed))
    with pytest.raises(ServerInvalid):
        there(shown)
    with pytest.raises(TokenInvalid):
        here(shown)


def test_of_another_type_key_or_scheme_it_is_none() -> None:
    for wrong in (
        token(typ="remit-mandate+jwt"), token(typ="dpop+jwt"), token(key=OTHER), token() + "A", "a.b.c", token()[:-1],
    ):  # fmt: skip
        with pytest.raises(TokenInvalid):
            here(wrong)
    with pytest.raises(TokenInvalid, match="needs a proof"):
        here(token(), scheme="Bearer")
    with pytest.raises(TokenInvalid, match="not bound"):
        here(token(claims(cnf=None)))
    assert here(token(claims(cnf=None)), scheme="Bearer").jkt is None


HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["ES256", "Ed25519", "none", "HS256", "RS256", 7]),
        "typ": st.sampled_from(["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "dpop+jwt", 7]),
        "kid": st.sampled_from([KEY.kid, "other", 7]),
        "crit": st.just(["exp"]), "b64": st.sampled_from([False]), "jku": st.just("https://x"), "x5c": st.just([]),
        "jwk": st.just(dict(KEY.public.jwk)), "zip": st.just("DEF"), "cty": st.just("x"),
    },
)  # fmt: skip


@given(HEADERS, st.sampled_from([*CHANGES, {}, {}]))
def test_nothing_passes_here_that_does_not_pass_at_the_server(header: dict[str, Any], changed: dict[str, Any]) -> None:
    head = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid} | header

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signed = f"{part(head)}.{part(claims(**{'cnf': None, **changed}))}"
    shown = f"{signed}.{base64.urlsafe_b64encode(KEY.sign(signed.encode())).rstrip(b'=').decode()}"
    try:
        here(shown, scheme="Bearer")
    except TokenInvalid:
        return
    there(shown, scheme="Bearer")  # raises nothing


def proved(made: str | None, *, now: int = NOW, shown: str = "t", url: str = URL, fresh: Any = None) -> Any:
    return check_proof(made, method="POST", url=url, now=now, token=shown, jkt=HOLDER.thumbprint, fresh=fresh)


def made(now: int = NOW, **changed: Any) -> str:
    said = {"jti": "1", "htm": "POST", "htu": URL, "iat": now, "ath": jws.base64url(_sha("t"))} | changed
    return HOLDER.sign({name: value for name, value in said.items() if value is not None}, typ="dpop+jwt")


def _sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(
    "wrong",
    [
        None, "", "a.b.c", made(htm="GET"), made(htu="https://api.test/other"), made(htu=7), made(jti=""),
        made(jti="j" * 257),
        made(jti=None), made(iat=None), made(now=NOW - 60), made(now=NOW + 61), made(ath=None), made(ath="x"),
        proof(THIEF, "POST", URL, "t"), HOLDER.sign({"jti": "1"}, typ="at+jwt"), made(iat=True),
    ],
)  # fmt: skip
def test_a_proof_for_anything_else_proves_nothing(wrong: str | None) -> None:
    with pytest.raises(TokenInvalid) as refused:
        proved(wrong)
    assert refused.value.error == "invalid_dpop_proof"


def test_a_good_proof_is_taken_in_every_spelling_of_the_same_address() -> None:
    for htu in (URL, "HTTPS://API.test:443/transfers", URL + "?a=b", "https://api.test/%74ransfers"):
        assert proved(made(htu=htu))[1] == NOW + 60


def test_a_proof_is_used_once_and_forgotten_when_it_is_over() -> None:
    seen = Seen(most=2)
    seen.use("a", NOW + 60, now=NOW)
    with pytest.raises(TokenInvalid, match="used before"):
        seen.use("a", NOW + 60, now=NOW + 59)
    seen.use("b", NOW + 70, now=NOW)
    with pytest.raises(MemoryFull):  # what cannot be remembered could be used again
        seen.use("c", NOW + 60, now=NOW)
    seen.use("c", NOW + 120, now=NOW + 60)


@given(st.integers(300, 2**40), st.integers(0, 5000))
def test_a_nonce_is_good_for_a_while_and_no_longer(given_out: int, later: int) -> None:
    nonces = Nonces(b"k" * 32)
    nonce = nonces.current(given_out)
    fresh = nonces.fresh(nonce, now=given_out + later)
    assert fresh or later > 240
    assert not fresh or later < 660
    assert not Nonces(b"x" * 32).fresh(nonce, now=given_out)


def test_a_nonce_is_asked_for_last() -> None:
    nonces = Nonces(b"k" * 32)
    with pytest.raises(TokenInvalid) as refused:
        proved(made(), fresh=lambda said: nonces.fresh(said, now=NOW))
    assert refused.value.error == "use_dpop_nonce"
    proved(made(nonce=nonces.current(NOW)), fresh=lambda said: nonces.fresh(said, now=NOW))


def test_credentials_are_of_one_form() -> None:
    assert credentials("dpop a.b.c") == ("DPoP", "a.b.c")
    for wrong in ("", "Basic abc", "DPoP a.b", "DPoP a.b.c d", "DPoP " + "a" * 9000 + ".b.c"):
        with pytest.raises(TokenInvalid):
            credentials(wrong)
    with pytest.raises(TokenInvalid) as bare:
        credentials(None)
    assert bare.value.error == ""


@pytest.mark.parametrize(
    "changed",
    [{"d": "x"}, {"crv": "P-384"}, {"x": "AAAA"}, {"alg": "Ed25519"}, {"use": "enc"}, {"key_ops": ["sign"]}, {"kid": 7},
     {"y": KEY.public.jwk["x"]}],
)  # fmt: skip
def test_no_other_key_verifies(changed: dict[str, Any]) -> None:
    with pytest.raises(JwsInvalid):
        public_key({**KEY.public.jwk, **changed})
