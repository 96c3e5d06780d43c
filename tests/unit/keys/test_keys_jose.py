import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as peer_jws
from joserfc import jwt as peer_jwt
from joserfc.jwk import ECKey, OKPKey

from remit.keys import jose
from remit.keys.jose import (
    JoseInvalid,
    PublicKey,
    SigningKey,
    generate,
    private_key,
    public_key,
    sign,
    thumbprint,
    verify,
)

BOTH = ("ES256", "Ed25519")
KEYS = {algorithm: private_key(generate(algorithm)) for algorithm in BOTH}
ES = KEYS["ES256"]
CLAIMS = {"iss": "http://127.0.0.1:8700", "exp": 1_800_000_000, "aud": ["a"]}


def _verify(token: str, key: SigningKey | PublicKey | None = ES, **kwargs: Any) -> Any:
    public = key.public if isinstance(key, SigningKey) else key
    return verify(token, **{"typ": "at+jwt", "algorithms": BOTH, "key": lambda _: public, **kwargs})


def _b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _token(header: object, claims: object = CLAIMS, key: SigningKey = ES) -> str:
    """A token with a good signature over whatever is given."""
    signed = f"{_b64(header)}.{_b64(claims)}"
    return f"{signed}.{_b64(key.sign(signed.encode()))}"


HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": ES.kid}

claims = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda k: k not in jose._TIMES),
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.lists(st.text("abcäöü€", max_size=3), max_size=3),
    max_size=5,
)


@pytest.mark.parametrize("algorithm", BOTH)
@given(claims)
def test_what_is_signed_verifies(algorithm: str, given_claims: dict[str, Any]) -> None:
    header, read = _verify(sign(given_claims, typ="at+jwt", key=KEYS[algorithm]), KEYS[algorithm])
    assert read == given_claims
    assert header == {"alg": algorithm, "typ": "at+jwt", "kid": KEYS[algorithm].kid}


@given(st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    token = sign(CLAIMS, typ="at+jwt", key=ES)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != token[at]))
    with pytest.raises(JoseInvalid):
        _verify(token[:at] + other + token[at + 1 :])


@given(st.data())
def test_any_inserted_or_missing_character_is_refused(data: st.DataObject) -> None:
    token = sign(CLAIMS, typ="at+jwt", key=ES)
    at = data.draw(st.integers(0, len(token)))
    extra = data.draw(st.sampled_from(["=", "?", ".", "A", " ", "\n", "\x00", "é", "+", "/"]))
    for changed in (token[:at] + extra + token[at:], token[:at] + token[at + 1 :] if at < len(token) else token[:-1]):
        with pytest.raises(JoseInvalid):
            _verify(changed)


@pytest.mark.parametrize("tail", ["\n", "=", "==", ".", " ", ".AA"])
def test_nothing_may_follow(tail: str) -> None:
    with pytest.raises(JoseInvalid):
        _verify(sign(CLAIMS, typ="at+jwt", key=ES) + tail)


def test_bits_behind_the_signature_are_refused() -> None:
    # 64 octets leave 4 bits in the last character: 15 more spellings of the same signature.
    token = sign(CLAIMS, typ="at+jwt", key=ES)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = alphabet[alphabet.index(token[-1]) // 16 * 16 + 1]
    assert base64.urlsafe_b64decode(token[-86:] + "==") == base64.urlsafe_b64decode(token[-86:-1] + same + "==")
    with pytest.raises(JoseInvalid, match="one spelling"):
        _verify(token[:-1] + same)


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "crit": ["exp"], "exp": 1},
        {**HEADER, "crit": []},
        {**HEADER, "b64": False},
        {**HEADER, "b64": True},
        {**HEADER, "jku": "https://attacker.example/jwks"},
        {**HEADER, "x5u": "https://attacker.example/cert"},
        {**HEADER, "x5c": ["MIIB"]},
        {**HEADER, "enc": "A256GCM"},
        {**HEADER, "zip": "DEF"},
        {**HEADER, "jwk": dict(ES.public.jwk)},
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "HS256"},
        {**HEADER, "alg": "es256"},
        {**HEADER, "alg": "EdDSA"},
        {**HEADER, "alg": "Ed25519"},
        {**HEADER, "alg": ["ES256"]},
        {**HEADER, "alg": None},
        {**HEADER, "typ": "JWT"},
        {**HEADER, "typ": "remit-mandate+jwt"},
        {**HEADER, "typ": "dpop+jwt"},
        {**HEADER, "typ": 1},
        {**HEADER, "kid": 1},
        {"alg": "ES256", "kid": ES.kid},
        {"typ": "at+jwt"},
        {},
        [],
        "text",
        None,
        b'{"alg":"ES256","typ":"at+jwt","alg":"none"}',
        b'{"alg":"ES256","typ":"at+jwt","typ":"at+jwt"}',
        b'{"alg":"ES256","typ":"at+jwt",}',
        b'\xff{"alg":"ES256","typ":"at+jwt"}',
        b'{"alg":"ES256","typ":"at+jwt","n":NaN}',
    ],
)
def test_a_header_that_asks_for_more_is_refused_though_the_signature_is_good(header: object) -> None:
    with pytest.raises(JoseInvalid):
        _verify(_token(header))


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_a_type_is_a_media_type(typ: str) -> None:
    assert _verify(_token({**HEADER, "typ": typ}))[1] == CLAIMS


def test_several_types_and_none_at_all_can_be_allowed() -> None:
    assert _verify(_token({"alg": "ES256"}), typ=("", "jwt"))[1] == CLAIMS
    assert _verify(_token({"alg": "ES256", "typ": "JWT"}), typ=("", "jwt"))[1] == CLAIMS
    with pytest.raises(JoseInvalid, match="type"):
        _verify(_token(HEADER), typ=("", "jwt"))


@pytest.mark.parametrize(
    "body",
    [
        {"exp": 1.5},
        {"exp": "1"},
        {"exp": True},
        {"iat": None},
        {"nbf": 1e3},
        {"x": 0.5},
        [],
        "text",
        b"",
        b'{"exp":1,"exp":2}',
        b'{"a":NaN}',
        b"{} ",
        b'{"exp":1}{"exp":2}',
    ],
)
def test_claims_are_a_strict_object_with_whole_numbers(body: object) -> None:
    if body == b"{} ":
        assert _verify(_token(HEADER, body))[1] == {}
        return
    with pytest.raises(JoseInvalid):
        _verify(_token(HEADER, body))


def test_the_algorithm_must_be_allowed_here() -> None:
    with pytest.raises(JoseInvalid, match="not allowed"):
        _verify(_token(HEADER), algorithms=("Ed25519",))


def test_a_key_of_another_algorithm_is_not_tried() -> None:
    with pytest.raises(JoseInvalid, match="another algorithm"):
        _verify(_token(HEADER), KEYS["Ed25519"])


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(JoseInvalid, match="unknown"):
        _verify(_token(HEADER), None)


def test_another_key_does_not_verify() -> None:
    with pytest.raises(JoseInvalid, match="signature"):
        _verify(_token(HEADER), private_key(generate()))


def test_an_oversized_token_is_refused_before_it_is_decoded() -> None:
    token = sign({"a": "x" * 9000}, typ="at+jwt", key=ES)
    with pytest.raises(JoseInvalid, match="compact"):
        _verify(token)
    assert _verify(token, max_size=16_000)[1]["a"]


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c.d.e", "a..", ".b.c", "a b.c.d", b"a.b.c", None, 1])
def test_what_is_no_compact_token_is_refused(token: Any) -> None:
    with pytest.raises(JoseInvalid):
        _verify(token)


@pytest.mark.parametrize("signature", [b"", b"\0" * 63, b"\0" * 64, b"\0" * 65, b"\xff" * 64, b"\0" * 32 + b"\1" * 32])
@pytest.mark.parametrize("algorithm", BOTH)
def test_a_degenerate_signature_is_no_signature(algorithm: str, signature: bytes) -> None:
    # CVE-2022-21449: r = s = 0 verified under every key.
    assert not KEYS[algorithm].public.verifies(signature, b"message")


# Proofs (RFC 9449 section 4.2)


@pytest.mark.parametrize("algorithm", BOTH)
def test_a_proof_brings_its_own_key(algorithm: str) -> None:
    proof = sign({"jti": "1", "iat": 1}, typ="dpop+jwt", key=KEYS[algorithm])
    header, read = _verify(proof, None, typ="dpop+jwt")
    assert read == {"jti": "1", "iat": 1}
    assert "d" not in header["jwk"]
    assert public_key(header["jwk"]).thumbprint == KEYS[algorithm].public.thumbprint


def test_a_proof_signed_by_another_key_than_it_shows_is_refused() -> None:
    other = private_key(generate())
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": {k: other.public.jwk[k] for k in ("kty", "crv", "x", "y")}}
    with pytest.raises(JoseInvalid, match="signature"):
        _verify(_token(header), None, typ="dpop+jwt")


@pytest.mark.parametrize(
    "jwk", [None, {}, "x", [], {"kty": "oct", "k": "AAAA"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, generate()]
)
def test_a_proof_without_a_good_public_key_is_refused(jwk: object) -> None:
    with pytest.raises(JoseInvalid):
        _verify(_token({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}), None, typ="dpop+jwt")


def test_an_access_token_is_no_proof_and_a_proof_no_access_token() -> None:
    with pytest.raises(JoseInvalid, match="type"):
        _verify(sign(CLAIMS, typ="dpop+jwt", key=ES))
    with pytest.raises(JoseInvalid, match="type"):
        _verify(sign(CLAIMS, typ="at+jwt", key=ES), typ="dpop+jwt")


# The same tokens read by another implementation


@pytest.mark.parametrize(("algorithm", "kind"), [("ES256", ECKey), ("Ed25519", OKPKey)])
def test_joserfc_reads_what_is_signed_here(algorithm: str, kind: type[ECKey] | type[OKPKey]) -> None:
    key = kind.import_key(dict(KEYS[algorithm].public.jwk))
    token = sign(CLAIMS, typ="at+jwt", key=KEYS[algorithm])
    assert peer_jwt.decode(token, key, algorithms=[algorithm]).claims == CLAIMS
    assert key.thumbprint() == KEYS[algorithm].public.thumbprint


@pytest.mark.parametrize(("algorithm", "kind"), [("ES256", ECKey), ("Ed25519", OKPKey)])
def test_what_joserfc_signs_is_read_here(algorithm: str, kind: type[ECKey] | type[OKPKey]) -> None:
    jwk = generate(algorithm)
    token = peer_jws.serialize_compact(
        {"alg": algorithm, "typ": "at+jwt"}, json.dumps(CLAIMS), kind.import_key(dict(jwk)), algorithms=[algorithm]
    )
    assert _verify(token, private_key(jwk))[1] == CLAIMS


def test_the_thumbprint_of_rfc_8037_appendix_a_3() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
