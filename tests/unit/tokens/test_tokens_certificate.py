from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.tokens.certificate import SHOWN, Shown, of_connection, shown, thumbprint


def sequence(octets: bytes) -> str:
    return f":{base64.b64encode(octets).decode()}:"


@given(st.binary(min_size=1, max_size=3000), st.lists(st.binary(min_size=1, max_size=500), max_size=4))
@pytest.mark.requirement("mtls:proxy")
def test_what_a_proxy_writes_is_read_back(leaf: bytes, above: list[bytes]) -> None:
    chains = [", ".join(map(sequence, above))] if above else []
    assert shown([sequence(leaf)], chains) == Shown(leaf, tuple(above))


@pytest.mark.requirement("mtls:proxy")
@pytest.mark.parametrize(
    ("certificates", "chains"),
    [
        ([], []),
        ([""], []),
        (["AAAA"], []),
        ([":AAAA"], []),
        (["::"], []),
        ([":A:"], []),
        ([":AA-_:"], []),
        ([":AAAA:;p=1"], []),
        ([":AAAA:, :BBBB:"], []),
        ([":AAAA:", ":AAAA:"], []),
        ([":AAAA:"], [":AAAA:", ":BBBB:"]),
        ([":AAAA:"], ["x"]),
        ([":AAAA:"], [":AAAA:," * 4 + ":AAAA:"]),
        ([":" + "A" * 20_000 + ":"], []),
        (["-----BEGIN CERTIFICATE-----"], []),
    ],
    ids=str,
)
def test_anything_else_is_no_certificate(certificates: list[str], chains: list[str]) -> None:
    assert shown(certificates, chains) is None


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    found = shown([text], [])
    assert found is None or sequence(found.certificate) == text.strip()


def test_the_thumbprint_is_the_rfcs() -> None:
    assert thumbprint(b"abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"  # SHA-256 of it, base64url


def test_nothing_but_our_own_value_is_believed_in_a_scope() -> None:
    mine = Shown(b"abc")
    assert of_connection({SHOWN: mine}) is mine
    assert of_connection({SHOWN: (b"abc", ())}) is None
    assert of_connection({}) is None
