"""The seal over a transition: whoever only holds the database can make none."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.access.activation_seal import MEMBER, UNSEALED, ActivationSeal
from remit.kernel.errors import IntegrityFailed
from remit.storage.effects import RowKey

SEAL = ActivationSeal(b"k" * 32)
words = st.text(max_size=8)
keys = st.tuples(words, words, words, words)
bodies = st.dictionaries(words, words | st.integers(), max_size=4).map(json.dumps)
BODY = '{"by":"","state":"lapsed"}'
KEY = ("bot", "work", "s/pay", "s")


@given(keys, st.integers(1, 9), bodies)
@example(KEY, 1, "{}")
@example(KEY, 1, f'{{"by":"x{MEMBER}y"}}')
def test_what_was_sealed_opens(key: RowKey, serial: int, body: str) -> None:
    SEAL.check(key, serial, SEAL.close(key, serial, body))


@given(keys, st.integers(1, 9), bodies, keys, st.integers(1, 9), bodies)
def test_it_opens_nowhere_else(key: RowKey, serial: int, body: str, other: RowKey, later: int, changed: str) -> None:
    stored = SEAL.close(key, serial, body)
    moved = stored.replace(body[:-1], changed[:-1], 1) if changed != body else stored
    if (key, serial, stored) == (other, later, moved):
        return
    with pytest.raises(IntegrityFailed):
        SEAL.check(other, later, moved)


@pytest.mark.parametrize(
    "stored",
    [
        BODY,
        "{}",
        "",
        f'{BODY[:-1]}{MEMBER}"}}',
        f'{BODY[:-1]}{MEMBER}{"0" * 32}"}}',
        ActivationSeal(b"o" * 32).close(KEY, 1, BODY),
        SEAL.close(KEY, 1, BODY).replace("lapsed", "active"),
        SEAL.close(KEY, 1, BODY).replace('"by":""', '"by":"dana"'),
        SEAL.close(KEY, 2, BODY),
        SEAL.close((*KEY[:2], "s/delete", "s"), 1, BODY),
        SEAL.close(KEY, 1, BODY) + " ",
        SEAL.close(KEY, 1, BODY)[:-1] + ',"state":"active"}',
    ],
)
def test_what_was_not_sealed_here_does_not_open(stored: str) -> None:
    with pytest.raises(IntegrityFailed, match="entitlement of bot to s/pay"):
        SEAL.check(KEY, 1, stored)


def test_without_keys_a_body_stays_as_it_is() -> None:
    assert UNSEALED.close(KEY, 1, BODY) == BODY
    UNSEALED.check(KEY, 1, BODY)
