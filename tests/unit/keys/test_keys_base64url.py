"""base64url has one spelling for one value: two would be two tokens for one signature, two instances for one key."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from string import ascii_lowercase, ascii_uppercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.keys.base64url import decode, decode_checked, encode
from remit.keys.jose import JoseInvalid, generate, private_key, public_key

ALPHABET = ascii_uppercase + ascii_lowercase + digits + "-_"  # in the order of their values


@given(st.binary(max_size=80))
def test_what_is_written_is_read(octets: bytes) -> None:
    assert decode(encode(octets)) == octets


@given(st.text(ALPHABET, max_size=80))
def test_what_is_read_is_written_the_same(text: str) -> None:
    try:
        found = decode(text)
    except ValueError:
        return
    assert encode(found) == text


@given(st.binary(min_size=1, max_size=80).filter(lambda octets: len(octets) % 3))
def test_of_the_spellings_of_one_value_one_is_read(octets: bytes) -> None:
    """A last character has 2 or 4 bits that are no part of the value: 4 or 16 spellings."""
    text = encode(octets)
    padding = "=" * (-len(text) % 4)
    alike = [each for last in ALPHABET if urlsafe_b64decode((each := text[:-1] + last) + padding) == octets]
    assert len(alike) == {1: 16, 2: 4}[len(octets) % 3]
    for each in set(alike) - {text}:
        for read in (decode, decode_checked):
            with pytest.raises(ValueError, match="one spelling"):
                read(each)


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_a_key_whose_coordinate_is_spelled_otherwise_is_none(algorithm: str) -> None:
    """43 characters with 2 bits behind the value: one key would have four thumbprints, and be four instances."""
    jwk = private_key(generate(algorithm)).public.jwk
    at = ALPHABET.index(jwk["x"][-1])
    for other in (1, 2, 3):
        with pytest.raises(JoseInvalid):
            public_key({**jwk, "x": jwk["x"][:-1] + ALPHABET[at + other]})
