"""Requests to a provider as documents write them (pure): filled, read, refused."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.vault.rotation_world import CHOSEN, PROPOSED

from remit.kernel.errors import Malformed
from remit.vault.rotator import Refused
from remit.vault.rotators.http_settings import settings
from remit.vault.rotators.request import Missing, filled, pointed, request
from remit.vault.settings import ROTATORS, problems

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)
URL = "https://api.test/keys/{id}?of={value}"


@given(PRINTABLE, PRINTABLE)
def test_a_value_stays_in_its_place(value: str, name: str) -> None:
    """Whatever is in it: no further path, field, header line or place comes of it."""
    assume(name not in {".", ".."})
    said = {"method": "POST", "url": URL, "headers": {"X-Key": "k {value}"}, "body": {"a": ["{value}", 1], "b": "{id}"}}
    found = filled(request(said, what="x", known=("id", "value")), {"id": name, "value": value})
    path, _, query = found.url.removeprefix("https://api.test/").partition("?")
    assert unquote(path.removeprefix("keys/")) == name
    assert "/" not in path.removeprefix("keys/")
    assert unquote(query.removeprefix("of=")) == value
    assert "&" not in query
    assert found.headers["X-Key"] == f"k {value}"
    assert json.loads(found.body) == {"a": [value, 1], "b": name}


def test_no_value_ends_a_header() -> None:
    it = request({"url": "https://a", "headers": {"X": "{value}"}}, what="x", known=("value",))
    with pytest.raises(Refused):
        filled(it, {"value": "a\r\nX-Admin: 1"})


@pytest.mark.parametrize("name", [".", ".."])
def test_no_name_leads_a_url_upwards(name: str) -> None:
    """They need no escape: `DELETE /keys/..` would reach an HTTP client as `DELETE /`."""
    for url in ("https://a/keys/{id}", "https://a/keys/{id}/more", "https://a/keys/.{id}"):
        it = request({"url": url}, what="x", known=("id",))
        assert filled(it, {"id": "a..b"})
        with pytest.raises(Refused):
            filled(it, {"id": "." if url.endswith(".{id}") else name})


def test_a_place_of_which_nothing_is_known_stops_it() -> None:
    with pytest.raises(Missing):
        filled(request({"url": URL}, what="x", known=("id", "value")), {"id": "1"})


@pytest.mark.parametrize(
    "said",
    [
        "x", {}, {"url": "ftp://a"}, {"url": "https://{id}/"}, {"url": "https://{id}.a/"}, {"url": "https://u:p@a/"},
        {"url": "https://a", "method": "TRACE"}, {"url": "https://a", "headers": {"Host": "b"}},
        {"url": "https://a", "headers": {"X Y": "b"}}, {"url": "https://a", "headers": {"X": "a\nb"}},
        {"url": "https://a", "status": 500}, {"url": "https://a", "status": [True]}, {"url": "https://a/{other}"},
        {"url": "https://a", "body": 1, "form": {}}, {"url": "https://a", "form": {"a": 1}},
        {"url": "https://a", "x": 1}, {"url": "https://a b/"},
    ],
)  # fmt: skip
def test_what_is_no_request(said: object) -> None:
    with pytest.raises(Malformed):
        request(said, what="x", known=("id",))


@pytest.mark.parametrize(
    ("pointer", "found"),
    [("", {"a": [{"b/c": 1}], "~": 2}), ("/a/0/b~1c", 1), ("/~0", 2), ("/a/1", None), ("/a/x", None), ("/n/m", None)],
)
def test_a_pointer(pointer: str, found: object) -> None:
    assert pointed({"a": [{"b/c": 1}], "~": 2}, pointer) == found


def without(name: str) -> dict[str, Any]:
    return {each: said for each, said in CHOSEN.items() if each != name}


@pytest.mark.parametrize(
    "said",
    [
        {}, without("create"), without("verify"), without("revoke"), without("value_at"), PROPOSED | {"value_at": "/x"},
        CHOSEN | {"unknown": 1}, CHOSEN | {"revoke": {"method": "DELETE", "url": "https://a/{rotation}"}},
        CHOSEN | {"verify": {"url": "https://a"}}, CHOSEN | {"create": {"url": "https://a/{value}"}},
        CHOSEN | {"attributes_at": {"value": "/x"}}, CHOSEN | {"attributes_at": {"rotation": "/x"}},
        CHOSEN | {"leftovers": {"url": "https://a", "label_at": "/l", "label": "all"}},
        CHOSEN | {"sign": {"format": "x"}}, CHOSEN | {"sign": {"header": "Host"}}, CHOSEN | {"sign": {"user": "a:b"}},
        CHOSEN | {"admin": 1},
        PROPOSED | {"propose": {"length": 8}}, PROPOSED | {"propose": {"alphabet": "aab"}},
        CHOSEN | {"by_hand": {"id": 1}},
    ],
)  # fmt: skip
def test_settings_that_are_not_taken(said: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        settings(said)
    assert list(problems(said, ROTATORS["http"]))


def test_settings_that_are_taken() -> None:
    for said in (CHOSEN, PROPOSED):
        assert list(problems(said, ROTATORS["http"])) == []
    client = {"token_url": "https://a/t", "client_id": "remit", "secrets": "https://a/s"}
    assert list(problems(client, ROTATORS["oauth_client"])) == []
    for name in client:
        assert list(problems({each: said for each, said in client.items() if each != name}, ROTATORS["oauth_client"]))
    assert list(problems(client | {"client_auth": "none"}, ROTATORS["oauth_client"]))
