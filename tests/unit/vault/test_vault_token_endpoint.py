"""What a token endpoint's answer gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.keys.secret import Secret
from remit.vault.model import SecretUnavailable
from remit.vault.token_endpoint import Client, GrantRefused, read, revocation

GOOD = {"access_token": "a-token", "token_type": "Bearer"}


def body(**said: Any) -> bytes:
    return json.dumps(GOOD | said).encode()


def test_a_good_answer() -> None:
    found = read(200, body(expires_in=60, refresh_token="r-token", scope="a b", token_type="bearer"))
    assert (found.access.text(), found.seconds, found.scope) == ("a-token", 60, "a b")
    assert found.refresh is not None
    assert found.refresh.text() == "r-token"


@pytest.mark.parametrize("life", [None, 0, -1, True, "60", 1.5])
def test_a_life_that_is_none_is_short(life: object) -> None:
    assert read(200, body(expires_in=life)).seconds == 300


@pytest.mark.parametrize("token", [None, "", "a b", "a\r\nX: y", "ä", 7, "a" * 8193])
def test_a_token_that_fits_no_header_is_none(token: object) -> None:
    with pytest.raises(SecretUnavailable):
        read(200, body(access_token=token))
    assert read(200, body(refresh_token=token)).refresh is None


@pytest.mark.parametrize("status", [400, 401])
def test_only_invalid_grant_ends_it(status: int) -> None:
    with pytest.raises(GrantRefused):
        read(status, b'{"error":"invalid_grant"}')


@pytest.mark.parametrize("status", [200, 403, 500, 503])
def test_what_stands_in_another_answer_ends_nothing(status: int) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        read(status, b'{"error":"invalid_grant"}')
    assert not isinstance(caught.value, GrantRefused)


ANSWERS = st.one_of(st.binary(max_size=50), st.sampled_from([body(), b'{"error":"invalid_client"}', b'{"error":1}']))


@given(st.integers(100, 599), ANSWERS)
def test_nothing_else_is_a_token_or_an_end(status: int, said: bytes) -> None:
    try:
        found = read(status, said)
    except GrantRefused:
        pytest.fail("nothing said that it is over")
    except SecretUnavailable:
        assert (status, said) != (200, body())
    else:
        assert (status, found.access.text()) == (200, "a-token")


def test_a_client_is_encoded_before_it_becomes_a_user_and_a_password() -> None:
    """RFC 6749 section 2.3.1: a colon in a client_id would end it."""
    said = Client(client_id="a:b", secret=Secret("p%&")).headers()["Authorization"]
    assert said == "Basic YSUzQWI6cCUyNSUyNg=="
    assert revocation(Secret("a&b")) == b"token=a%26b&token_type_hint=refresh_token"
