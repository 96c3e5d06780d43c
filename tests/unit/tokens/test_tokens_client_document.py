from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.keys import jose
from remit.tokens.clients.document import MOST, ClientInvalid, read_document, read_keys

URL = "https://client.example/metadata.json"
KEY = dict(jose.private_key(jose.generate()).public.jwk)
GOOD: dict[str, Any] = {"client_id": URL, "redirect_uris": ["https://client.example/cb"]}
SIGNS: dict[str, Any] = {"token_endpoint_auth_method": "private_key_jwt"}


def read(said: object, media_type: str = "application/json") -> Any:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return read_document(body, url=URL, media_type=media_type)


def test_what_a_document_says() -> None:
    found = read(GOOD | {"client_name": "Example", "logo_uri": "https://client.example/logo.png", "scope": "x"})
    assert (found.client_id, found.name, found.host) == (URL, "Example", "client.example")
    assert (found.signs, found.renews) == (False, True)
    assert found.fits("https://client.example/cb")
    assert not found.fits("https://client.example/cb2")
    assert read(GOOD, "application/oauth-client+json").client_id == URL
    assert read(GOOD | {"grant_types": ["authorization_code"]}).renews is False


def test_a_client_that_signs_says_with_what() -> None:
    found = read(GOOD | SIGNS | {"jwks": {"keys": [KEY, {"kty": "oct-of-the-future"}]}})
    assert (found.signs, found.keys, found.jwks_uri) == (True, (KEY,), None)
    there = "https://client.example/keys"
    assert read(GOOD | SIGNS | {"jwks_uri": there}).jwks_uri == there


@pytest.mark.requirement("cimd:document")
@pytest.mark.parametrize(
    "change",
    [
        {"client_id": URL + "/"}, {"client_id": URL.upper()}, {"client_id": "https://client.example:443/metadata.json"},
        {"client_id": None}, {"client_secret": "x"}, {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "client_secret_basic"}, {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"}, {"token_endpoint_auth_method": None},
        {"redirect_uris": []}, {"redirect_uris": "https://client.example/cb"}, {"redirect_uris": [7]},
        {"redirect_uris": ["http://client.example/cb"]}, {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["https://client.example/cb"] * 21}, {"grant_types": ["implicit"]}, {"grant_types": "x"},
        {"response_types": ["token"]}, {"client_name": "a\nb"}, {"client_name": "x" * 101}, {"client_name": 7},
        SIGNS, SIGNS | {"jwks": {"keys": []}}, SIGNS | {"jwks": {"keys": [KEY | {"d": "x"}]}},
        SIGNS | {"jwks": {"keys": [{"kty": "oct", "k": "x"}]}}, SIGNS | {"jwks": {"keys": [{"kty": "RSA"}]}},
        SIGNS | {"jwks": [KEY]}, SIGNS | {"jwks": {"keys": [KEY]}, "jwks_uri": "https://client.example/keys"},
        SIGNS | {"jwks_uri": "http://client.example/keys"}, SIGNS | {"jwks_uri": "https://client.example"},
    ],
)  # fmt: skip
def test_a_document_that_is_not_taken(change: dict[str, Any]) -> None:
    with pytest.raises(ClientInvalid):
        read(GOOD | change)


@pytest.mark.requirement("cimd:document")
@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b'"x"', b'{"client_id": NaN}', json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).encode()[:-1] + b', "client_id": "https://evil.test/m"}',
        json.dumps(GOOD | {"policy_uri": "x" * MOST}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_document(body: bytes) -> None:
    with pytest.raises(ClientInvalid):
        read(body)


@pytest.mark.parametrize("media_type", ["", "text/html", "text/json", "application/javascript", "image/svg+json"])
def test_what_is_served_as_something_else_is_no_document(media_type: str) -> None:
    with pytest.raises(ClientInvalid):
        read(GOOD, media_type)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [{"kty":"EC","crv":"P-256"}]}'])
def test_what_is_no_key_set(body: bytes) -> None:
    with pytest.raises(ClientInvalid):
        read_keys(body)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(body: bytes) -> None:
    with pytest.raises(ClientInvalid):
        read(body)
