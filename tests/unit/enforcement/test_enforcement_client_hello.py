"""The first message of a tunnel: what OpenSSL says is read, and nothing that two readers may read two ways."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.enforcement import client_hello
from remit.enforcement.client_hello import Hello
from remit.kernel.errors import Malformed


def openssl(name: str | None) -> bytes:
    """The ClientHello of this machine's own TLS."""
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(came, goes, server_hostname=name).do_handshake()
    return goes.read()


def vector(size: int, octets: bytes) -> bytes:
    return len(octets).to_bytes(size, "big") + octets


def hello(*extensions: tuple[int, bytes], tail: bytes = b"") -> bytes:
    """A ClientHello of one record with these extensions."""
    body = b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\x00")
    body += vector(2, b"".join(kind.to_bytes(2, "big") + vector(2, said) for kind, said in extensions)) + tail
    return records(b"\x01" + vector(3, body), 1 << 14)


def records(message: bytes, size: int) -> bytes:
    """A handshake message in records of at most `size` bytes."""
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + vector(2, part) for part in parts)


def named(*names: bytes, kind: int = 0) -> tuple[int, bytes]:
    return 0, vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names))


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9]{0,10}){1,3}", fullmatch=True)


@settings(max_examples=examples(100))
@given(NAMES, st.integers(1, 600))
def test_the_name_is_read_however_it_is_cut_into_records(name: str, size: int) -> None:
    message = openssl(name)[5:]
    assert client_hello.read(records(message, size)) == Hello(name, hidden=False)


@settings(max_examples=examples(100))
@given(NAMES)
def test_no_beginning_is_taken_for_the_whole(name: str) -> None:
    whole = openssl(name)
    assert {client_hello.read(whole[:at]) for at in range(len(whole))} == {None}


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(octets: bytes) -> None:
    try:
        found = client_hello.read(octets)
    except Malformed:
        return
    assert found is None or isinstance(found, Hello)


@given(st.binary(max_size=200), st.data())
def test_a_changed_byte_never_names_another_unnoticed(noise: bytes, data: st.DataObject) -> None:
    """Whatever is changed, a name that comes out stands in the message."""
    whole = bytearray(hello(named(b"api.example.test"), (10, noise)))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = client_hello.read(bytes(whole))
    except Malformed:
        return
    assert found is None or found.name.encode() in bytes(whole).lower()


def test_no_name_and_an_upper_case_one() -> None:
    assert client_hello.read(openssl(None)) == Hello("", hidden=False)
    assert client_hello.read(hello(named(b"API.Example.test"))) == Hello("api.example.test", hidden=False)


def test_a_name_that_is_hidden_is_said_to_be() -> None:
    assert client_hello.read(hello(named(b"a.test"), (0xFE0D, b"x"))) == Hello("a.test", hidden=True)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x02\x00\x00\x01\x01",  # no TLS
        b"\x16\x03\x01\x00\x00",  # an empty record
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",  # a ServerHello
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",  # 16 MiB of it
        hello(named(b"a.test", b"b.test")),
        hello(named(b"a.test"), named(b"b.test")),
        hello(named(b"a.test", kind=1)),
        hello(named(b"")),
        hello(named(b"a\x00.test")),
        hello(named("ä.test".encode())),
        hello((0, b"")),
        hello(named(b"a.test"), tail=b"x"),
        hello(named(b"a.test")) + b"",
    ][:-1],
)
def test_two_readings_are_none(octets: bytes) -> None:
    with pytest.raises(Malformed):
        client_hello.read(octets)


def test_what_follows_in_the_same_record_is_refused() -> None:
    message = openssl("a.test")[5:]
    with pytest.raises(Malformed):
        client_hello.read(b"\x16\x03\x01" + vector(2, message + b"\x01"))
