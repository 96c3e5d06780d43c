"""What a client asks of the proxy: one reading, or none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement import proxy_head
from remit.enforcement.proxy_head import Destination
from remit.kernel.errors import Malformed

HOSTS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}(\.[a-z0-9]{1,10}){0,3}", fullmatch=True)
PORTS = st.integers(1, 65535)


@given(HOSTS, PORTS)
def test_a_destination_is_what_is_written(host: str, port: int) -> None:
    found = proxy_head.destination(f"{host.upper()}:{port}")
    assert found == Destination(host, port)
    assert proxy_head.destination(found.authority) == found
    assert found.named_by(f"{host}:{port}", default=0)
    assert found.named_by(host, default=port)
    assert not found.named_by(host, default=0)


@given(HOSTS, PORTS, st.integers(0, 60))
def test_a_head_is_split_where_it_ends(host: str, port: int, cut: int) -> None:
    head = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    assert proxy_head.split(head + b"rest") == (head, b"rest")
    assert proxy_head.split(head[: min(cut, len(head) - 1)]) is None
    assert proxy_head.connect(head)[0] == Destination(host, port)


@given(st.text(max_size=40))
def test_whatever_is_written_is_a_destination_or_refused(text: str) -> None:
    try:
        found = proxy_head.destination(text)
    except Malformed:
        return
    assert found.authority == text.lower() or ":" in found.host


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_connect_or_refused(octets: bytes) -> None:
    try:
        proxy_head.connect(octets)
    except Malformed:
        return
    assert octets.startswith(b"CONNECT ")


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nDPoP: x\r\nDPoP: y\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 3\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nTransfer-Encoding: chunked\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nX : y\r\n\r\n",
    ],
)
def test_no_connect(head: str) -> None:
    with pytest.raises(Malformed):
        proxy_head.connect(head.encode())


def test_an_old_client_names_no_host_twice() -> None:
    where, _ = proxy_head.connect(b"CONNECT a:443 HTTP/1.0\r\nProxy-Authorization: Basic eDp5\r\n\r\n")
    assert where == Destination("a", 443)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (b"http://a/x?y=1", (Destination("a", 80), b"/x", b"y=1")),
        (b"HTTP://A:81", (Destination("a", 81), b"/", b"")),
        (b"http://[::1]/x", (Destination("::1", 80), b"/x", b"")),
        (b"http://a?http://b/", (Destination("a", 80), b"/", b"http://b/")),
    ],
)
def test_a_whole_url_is_taken_apart(target: bytes, found: object) -> None:
    assert proxy_head.absolute(target) == found


@pytest.mark.parametrize("target", [b"/x", b"https://a/x", b"http:///x", b"http://a@b/x", b"http://a:b/x", b"*"])
def test_no_whole_url(target: bytes) -> None:
    with pytest.raises(Malformed):
        proxy_head.absolute(target)


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True))
def test_stock_credentials_are_a_bearer_token(agent: str, token: str) -> None:
    basic = base64.b64encode(f"{agent}:{token}".encode())
    found = proxy_head.shown({b"proxy-authorization": b"Basic " + basic})
    assert (found.authorization, found.name) == (f"Bearer {token}", agent)
    given_ = proxy_head.shown({b"proxy-authorization": f"DPoP {token}".encode(), b"dpop": b"p"})
    assert (given_.authorization, given_.dpop, given_.name) == (f"DPoP {token}", "p", None)


@pytest.mark.parametrize("value", [b"Basic !", b"Basic " + base64.b64encode(b"no colon"), b"Basic \xff"])
def test_credentials_with_no_reading(value: bytes) -> None:
    with pytest.raises(Malformed):
        proxy_head.shown({b"proxy-authorization": value})


def test_a_head_has_an_end() -> None:
    with pytest.raises(Malformed):
        proxy_head.split(b"C" * (proxy_head.MOST + 1))
