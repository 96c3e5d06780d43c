"""A holder wraps a key, and is not believed: laws over one that is as good as it says, and ones that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import IntegrityFailed, KeyfileWrong, KeysUnavailable
from remit.keys import envelope, formats
from remit.keys.seal import seal_bytes, unseal_bytes

KEY, OTHER = b"k" * 32, b"o" * 32
FORMATS = (formats.KEYFILE_FORMAT, formats.PASSPHRASE_FORMAT, formats.PKCS11_FORMAT, formats.TRANSIT_FORMAT)
places = st.binary(max_size=64)


def opened(key: bytes, lent: bytes, aad: bytes) -> bytes:
    try:
        return unseal_bytes(key, lent, aad)
    except IntegrityFailed as error:
        raise KeyfileWrong("not mine") from error


def holder(key: bytes = KEY, *, where: str = "there", form: bytes = b"\x03") -> envelope.Holder:
    return envelope.Holder(
        form, where, lambda plain, aad: seal_bytes(key, plain, aad), lambda lent, aad: opened(key, lent, aad)
    )


@given(st.binary(max_size=200), places, st.text(max_size=30), st.text(max_size=30))
def test_what_is_wrapped_opens_whatever_the_holder_calls_its_key_now(
    plain: bytes, aad: bytes, then: str, now: str
) -> None:
    then, now = (text.encode("utf-8", "ignore").decode() for text in (then, now))
    wrapped = envelope.wrap(holder(where=then), plain, aad)
    assert envelope.unwrap(holder(where=now), wrapped, aad) == plain


@given(places, places, st.binary(max_size=40))
def test_no_answer_of_a_holder_opens_what_it_does_not_open(aad: bytes, elsewhere: bytes, answer: bytes) -> None:
    wrapped = envelope.wrap(holder(), b"root", aad)
    lying = envelope.Holder(b"\x03", "there", lambda *_: b"", lambda *_: answer)
    with pytest.raises(KeyfileWrong, match="answer"):
        envelope.unwrap(lying, wrapped, aad)
    # Not even the right key, at another place.
    keys: list[bytes] = []
    honest = holder()._replace(encrypt=lambda plain, _aad: keys.append(plain) or plain, decrypt=lambda lent, _aad: lent)  # type: ignore[func-returns-value]
    wrapped = envelope.wrap(honest, b"root", aad)
    if elsewhere != aad:
        with pytest.raises(KeyfileWrong):
            envelope.unwrap(honest, wrapped, elsewhere)
    assert b"root" not in keys[0]


@given(st.data())
def test_no_part_of_it_can_be_another(data: st.DataObject) -> None:
    one = envelope.wrap(holder(where="one"), b"root", b"place")
    two = envelope.wrap(holder(where="two"), b"root", b"place")
    at = data.draw(st.integers(1, len(one) - 1))
    mixed = one[:at] + two[at:]
    if mixed not in {one, two}:
        with pytest.raises(KeyfileWrong):
            envelope.unwrap(holder(), mixed, b"place")


def test_what_does_not_open_again_is_not_handed_out() -> None:
    wrong = holder()._replace(decrypt=lambda *_: b"x" * 32)
    with pytest.raises(KeyfileWrong, match="does not open again"):
        envelope.wrap(wrong, b"root", b"place")


def test_a_holder_that_is_not_there_is_told_as_that() -> None:
    def gone(*_: bytes) -> bytes:
        raise KeysUnavailable("it is not there")

    wrapped = envelope.wrap(holder(), b"root", b"place")
    with pytest.raises(KeysUnavailable):
        envelope.unwrap(holder()._replace(decrypt=gone), wrapped, b"place")


def test_an_answer_that_is_too_long_is_none() -> None:
    long = holder()._replace(encrypt=lambda *_: b"x" * 70_000, decrypt=lambda *_: b"x" * 32)
    with pytest.raises(KeyfileWrong):
        envelope.wrap(long, b"root", b"place")


@given(st.sampled_from(FORMATS), st.sampled_from(FORMATS), st.binary(max_size=8))
def test_advice_names_what_opens_it_and_never_oneself(mine: bytes, its: bytes, rest: bytes) -> None:
    said = formats.advice(its + rest, mine=mine, otherwise="otherwise")
    assert (said == "otherwise") is (mine == its)
    assert formats.advice(b"", mine=mine, otherwise="otherwise") == "otherwise"
    assert formats.advice(b"\xff" + rest, mine=mine, otherwise="otherwise") == "otherwise"
