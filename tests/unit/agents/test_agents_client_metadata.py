from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.agents.bindings.client_metadata import client_url, read, redirect_fits, redirect_uri
from remit.kernel.errors import Malformed
from remit.people.document import SpecInvalid

URL = "https://client.example/metadata.json"


@pytest.mark.parametrize(
    "url", [URL, "https://client.example:8443/a/b", "https://client.example/m?v=1", "https://[2001:db8::1]/m"]
)
def test_the_url_of_a_document_is_a_client(url: str) -> None:
    assert client_url(url) == url
    assert read({"url": url}) == {"url": url}


@pytest.mark.requirement("cimd:url")
@pytest.mark.parametrize(
    "url",
    [
        "http://client.example/m", "https://client.example", "https://client.example/", "https://client.example/m#f",
        "https://user@client.example/m", "https://user:word@client.example/m", "https://client.example/a/../m",
        "https://client.example/./m", "https://client.example/%2e%2E/m", "https://client.example/.%2e/m",
        "https:///m", "//client.example/m", "https://client.example\\@evil.test/m", "https://client.example/m m",
        "https://client.example/m\n", "https://client.example/%zz", "https://cl\u00edent.example/m", 7, "",
        "https://client.example/" + "m" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_document_is_refused(url: object) -> None:
    with pytest.raises(Malformed):
        client_url(url)
    with pytest.raises(SpecInvalid):
        read({"url": url})


@pytest.mark.parametrize(
    "uri",
    [
        "https://client.example/callback", "https://client.example", "https://client.example?x=1",
        "http://127.0.0.1/callback", "http://127.0.0.1:3111/callback", "http://[::1]/cb", "http://localhost:8080/cb",
        "com.example.app:/callback", "com.example.app://callback",
    ],
)  # fmt: skip
def test_where_an_answer_may_go(uri: str) -> None:
    assert redirect_uri(uri) == uri


@pytest.mark.requirement("authorize:redirect-kinds")
@pytest.mark.parametrize(
    "uri",
    [
        "http://client.example/callback", "javascript:alert(1)", "javascript://x.y/%0aalert(1)", "data:text/html,x",
        "file:///etc/passwd", "https://client.example/cb#fragment", "https://user@client.example/cb",
        "https://127.0.0.1\\@evil.test/", "http://127.0.0.1@evil.test/", "http://localhost.evil.test/cb",
        "https://client.example/ cb", "/callback", "callback", "", None, "https://client.example/\r\nSet-Cookie:a=b",
    ],
)  # fmt: skip
def test_where_no_answer_goes(uri: object) -> None:
    with pytest.raises(Malformed):
        redirect_uri(uri)


@pytest.mark.requirement("authorize:redirect-exact")
def test_a_redirect_fits_if_it_is_the_same_or_another_loopback_port() -> None:
    assert redirect_fits("https://client.example/cb", "https://client.example/cb")
    assert redirect_fits("http://127.0.0.1:50123/cb?x=1", "http://127.0.0.1/cb?x=1")
    assert redirect_fits("http://[::1]:50123/cb", "http://[::1]:8080/cb")
    for asked, registered in [
        ("https://client.example/cb/", "https://client.example/cb"),
        ("https://client.example/cb?next=evil", "https://client.example/cb"),
        ("https://client.example/cb/../x", "https://client.example/cb"),
        ("https://client.example:444/cb", "https://client.example/cb"),
        ("https://CLIENT.example/cb", "https://client.example/cb"),
        ("http://localhost:50123/cb", "http://localhost/cb"),  # a name may be led elsewhere: RFC 8252 section 8.3
        ("http://127.0.0.1:50123/other", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:50123@evil.test/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1.evil.test/cb", "http://127.0.0.1/cb"),
        ("https://127.0.0.1:50123/cb", "http://127.0.0.1/cb"),
        ("http://[::1]/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:999999/cb", "http://127.0.0.1/cb"),
    ]:
        assert not redirect_fits(asked, registered), asked


@given(st.text(max_size=40), st.sampled_from(["https://client.example/cb", "http://127.0.0.1/cb", "com.example.a:/cb"]))
def test_nothing_added_to_a_redirect_fits_it(more: str, registered: str) -> None:
    asked = registered + more
    if more:
        assert not redirect_fits(asked, registered)


@given(st.from_regex(re.compile(r"http://127\.0\.0\.1(:[0-9]{1,5})?/cb\Z"), fullmatch=True))
def test_any_port_of_a_loopback_address_fits(asked: str) -> None:
    assert redirect_fits(asked, "http://127.0.0.1:1/cb")


def test_a_client_without_a_document_is_described_here() -> None:
    said = {"client_id": "my-editor", "redirect_uris": ["http://127.0.0.1/callback"], "name": "My editor"}
    assert read(said) == said


@pytest.mark.parametrize(
    "said",
    [
        {}, {"client_id": "x"}, {"client_id": "x", "redirect_uris": []}, {"redirect_uris": ["http://127.0.0.1/cb"]},
        {"client_id": "https://client.example/m", "redirect_uris": ["http://127.0.0.1/cb"]},
        {"client_id": "x", "redirect_uris": ["http://evil.test/cb"]}, {"url": URL, "client_id": "x"},
        {"url": URL, "redirect_uris": ["http://127.0.0.1/cb"]}, {"url": URL, "secret": "x"}, "x", None,
    ],
)  # fmt: skip
def test_other_conditions_are_refused(said: object) -> None:
    with pytest.raises(SpecInvalid):
        read(said)
