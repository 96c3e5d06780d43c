"""Entries: canonical headers, commitments, sealed payloads, and what cannot be an entry."""

from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.audit.entry import KINDS, entry, header_bytes, payload_bytes
from remit.audit.stored import place
from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed

NOON = Instant(1_795_521_600_000_000)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
ANY = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=8)


def made(**parts: Any) -> Any:
    settings: dict[str, Any] = {"kind": "change", "fields": {"name": "x"}, "id": "chg_1", "now": NOON, "epoch": 7}
    settings |= parts
    return entry(settings.pop("kind"), settings.pop("fields"), **settings)


def test_a_header_says_what_when_and_against_which_state() -> None:
    assert made().header == (
        b'{"epoch":7,"id":"chg_1","kind":"change","name":"x","time":"2026-11-24T12:00:00.000000Z","v":1}'
    )
    assert made().payload is None


def test_a_payload_is_committed_to_and_sealed() -> None:
    seen = []

    def seal(plaintext: bytes, entry_id: str) -> bytes:
        seen.append((plaintext, entry_id))
        return b"sealed"

    salt = bytes(range(32))
    made_entry = made(payload={"b": 1, "a": "two"}, payload_key="agent:bot", seal=seal, salt=salt)
    assert seen == [(salt + b'{"a":"two","b":1}', "chg_1")]
    header = parse(made_entry.header)
    assert header["payload_commit"] == sha256(salt + b'{"a":"two","b":1}').hexdigest()
    assert header["payload_key"] == "agent:bot"
    assert made_entry.payload == b"sealed"
    assert b"two" not in made_entry.header


@pytest.mark.parametrize("lacking", [{"seal": None}, {"payload_key": None}, {"salt": b""}, {"salt": bytes(31)}])
def test_a_payload_is_never_recorded_without_key_or_salt(lacking: dict[str, Any]) -> None:
    parts = {"payload": {}, "payload_key": "k", "seal": lambda plain, _id: plain, "salt": bytes(32)} | lacking
    with pytest.raises(ValueError, match="payload"):
        made(**parts)


@pytest.mark.parametrize("name", ["v", "kind", "id", "time", "epoch", "payload_commit", "payload_key"])
def test_a_field_cannot_stand_in_for_the_headers_own(name: str) -> None:
    with pytest.raises(ValueError, match="entry"):
        made(fields={name: "x"})


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="entry"):
        made(kind="decisions")
    assert len(set(KINDS.values())) == len(KINDS)


@given(st.dictionaries(st.text(max_size=8), ANY, max_size=6))
def test_the_fast_path_writes_the_same_bytes(header: dict[str, Any]) -> None:
    try:
        expected = canonical(header)
    except Malformed:
        with pytest.raises(Malformed):
            header_bytes(header)
    else:
        assert header_bytes(header) == expected


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), Decimal(1), b"x", [1.5], {"a": 2**60}, 10**30])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        made(fields={"name": value})


@given(st.dictionaries(st.text(max_size=8), ANY | st.integers() | st.decimals(allow_nan=False, allow_infinity=False)))
def test_a_payload_reads_back_to_the_digit(payload: dict[str, Any]) -> None:
    read = parse(payload_bytes(payload))
    assert str(read) == str(parse(payload_bytes(read)))
    assert read == payload


def test_an_agents_exact_number_keeps_its_literal() -> None:
    sent = parse(b'{"amount": 500.00, "big": 123456789012345678901234567890}')
    assert payload_bytes(sent) == b'{"amount":500.00,"big":123456789012345678901234567890}'


def test_a_payload_is_sealed_for_its_entry() -> None:
    assert place("dec_1") != place("dec_2")
