"""The forward proxy's authority: the same from the same seed, and leaves that a client believes."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import DAY, HOUR, Instant, SystemClock
from remit.keys.interception import Authority

NOW = SystemClock().now()


def shaken(authority: Authority, host: str, *, asks: str, trusts: str) -> ssl.SSLObject:
    """A whole handshake in memory; the client's end."""
    client = ssl.create_default_context(cadata=trusts)
    client.set_alpn_protocols(["h2", "http/1.1"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=asks)
    there = authority.context(host, now=NOW).wrap_bio(to_server, to_client, server_side=True)
    waiting = [here, there]
    for _ in range(6):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return here


@given(st.binary(min_size=32, max_size=32))
def test_the_same_seed_makes_the_same_certificate(seed: bytes) -> None:
    assert Authority(seed).pem == Authority(seed).pem


@pytest.mark.parametrize("host", ["api.example.test", "localhost", "127.0.0.1", "::1", "a" * 60 + ".example.test"])
def test_who_trusts_it_believes_it_in_a_servers_place(host: str) -> None:
    authority = Authority(b"a" * 32)
    end = shaken(authority, host, asks=host, trusts=authority.pem)
    assert end.selected_alpn_protocol() == "http/1.1"


def test_who_trusts_another_does_not() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(Authority(b"a" * 32), "a.test", asks="a.test", trusts=Authority(b"b" * 32).pem)


def test_another_name_is_not_answered() -> None:
    authority = Authority(b"a" * 32)
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name|callback"):
        shaken(authority, "a.test", asks="b.test", trusts=authority.pem)


def test_a_leaf_is_kept_while_it_is_good_and_made_anew_before_its_end() -> None:
    authority = Authority(b"a" * 32)
    first = authority.context("a.test", now=NOW)
    assert authority.context("a.test", now=Instant(NOW + HOUR)) is first
    assert authority.context("a.test", now=Instant(NOW + DAY - HOUR)) is not first


def test_only_so_many_are_kept() -> None:
    authority = Authority(b"a" * 32)
    first = authority.context("0.test", now=NOW)
    for at in range(1, 257):
        authority.context(f"{at}.test", now=NOW)
    assert authority.context("0.test", now=NOW) is not first
