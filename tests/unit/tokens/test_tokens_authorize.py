from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.keys.base64url import digest
from remit.tokens.authorize import AuthorizeError, AuthorizeRefused, Return, check_verifier, named, wanted
from remit.tokens.form import MEDIA_TYPE, parse_form
from remit.tokens.metadata import metadata_paths
from remit.tokens.model import OAuthError, TokenRefused

# RFC 7636 appendix B
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
BACK = Return("https://client.example/cb", "s", "https://remit.example")
GOOD = {"response_type": ("code",), "code_challenge": (CHALLENGE,), "code_challenge_method": ("S256",)}


@pytest.mark.requirement("code:verifier")
def test_the_example_of_the_rfc() -> None:
    assert digest(VERIFIER.encode()) == CHALLENGE
    check_verifier(VERIFIER, CHALLENGE)


@pytest.mark.requirement("code:verifier")
@given(st.text(alphabet="abcXYZ019-._~", min_size=43, max_size=128), st.text(max_size=130))
def test_only_the_verifier_itself_fits(verifier: str, other: str) -> None:
    challenge = digest(verifier.encode())
    check_verifier(verifier, challenge)
    if other != verifier:
        with pytest.raises(TokenRefused) as caught:
            check_verifier(other, challenge)
        assert caught.value.error is OAuthError.INVALID_GRANT


@pytest.mark.parametrize("verifier", ["x" * 42, "x" * 129, "x" * 42 + "\n", "x" * 42 + "+", "x" * 42 + "é"])
def test_a_verifier_has_its_form(verifier: str) -> None:
    with pytest.raises(TokenRefused):
        check_verifier(verifier, digest(verifier.encode()))


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(["", "?a=b"]))
def test_an_answer_says_what_was_sent_and_who_gives_it(state: str, code: str, query: str) -> None:
    back = Return(f"https://client.example/cb{query}", state, "https://remit.example/here")
    found = parse_qs(urlsplit(back.url(code=code)).query, keep_blank_values=True, strict_parsing=True)
    expected = {"code": [code], "state": [state], "iss": ["https://remit.example/here"]}
    assert found == expected | ({"a": ["b"]} if query else {})


def test_without_a_state_none_comes_back() -> None:
    assert "state" not in Return("https://client.example/cb", None, "https://remit.example").url(code="x")


def test_what_is_wanted() -> None:
    found = wanted(GOOD | {"scope": ("purpose:p",), "resource": ("a", "b"), "dpop_jkt": (CHALLENGE,)}, BACK)
    assert (found.challenge, found.resources, found.jkt) == (CHALLENGE, ("a", "b"), CHALLENGE)
    assert found.asked == {"scope": ("purpose:p",)}
    assert wanted(GOOD, BACK).asked == {}


@given(
    st.dictionaries(
        st.sampled_from(["response_type", "response_mode", "code_challenge", "code_challenge_method", "request"]),
        st.text(max_size=50).map(lambda text: (text,)),
        min_size=1,
    )
)
def test_whatever_differs_is_refused_to_the_client(changes: dict[str, tuple[str]]) -> None:
    try:
        wanted(GOOD | changes, BACK)
    except AuthorizeRefused as refused:
        where = refused.location
        assert where is not None
        assert where.startswith("https://client.example/cb?error=")
        assert where.endswith("state=s&iss=https%3A%2F%2Fremit.example")
    else:
        assert changes.keys() <= {"code_challenge"} or changes.get("response_mode") == ("query",)


def test_before_the_address_is_known_nothing_is_sent() -> None:
    with pytest.raises(AuthorizeRefused) as caught:
        named(parse_form(b"client_id=x", media_type=MEDIA_TYPE))
    assert caught.value.location is None
    assert caught.value.error is AuthorizeError.INVALID_REQUEST


@pytest.mark.requirement("metadata:path")
@pytest.mark.parametrize(
    ("issuer", "path"),
    [
        ("https://remit.example", "/.well-known/oauth-authorization-server"),
        ("https://remit.example/a/b", "/.well-known/oauth-authorization-server/a/b"),
        ("https://remit.example/a/", "/.well-known/oauth-authorization-server/a"),
    ],
)
def test_metadata_stands_between_host_and_path(issuer: str, path: str) -> None:
    assert metadata_paths(issuer)[-1] == path
