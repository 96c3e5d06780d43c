import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import IntegrityFailed
from remit.keys.seal import SealingKey, bind, seal, unseal

KEY = b"k" * 32
PLACE = ("payloads", "dec_1", 1)
places = st.tuples(st.text(max_size=5), st.text(max_size=5), st.integers(0, 9))


@given(st.binary(max_size=200), places)
def test_what_is_sealed_opens_in_its_place(plaintext: bytes, place: tuple[str | int, ...]) -> None:
    assert unseal(KEY, seal(KEY, plaintext, aad=place), aad=place) == plaintext


@given(places, places)
def test_it_opens_in_no_other_place(place: tuple[str | int, ...], other: tuple[str | int, ...]) -> None:
    if place == other:
        return
    with pytest.raises(IntegrityFailed):
        unseal(KEY, seal(KEY, b"value", aad=place), aad=other)


@given(st.data())
def test_a_changed_byte_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, b"value", aad=PLACE))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityFailed):
        unseal(KEY, bytes(sealed), aad=PLACE)


@given(st.integers(0, 33))
def test_a_cut_value_does_not_open(length: int) -> None:
    with pytest.raises(IntegrityFailed):
        unseal(KEY, seal(KEY, b"value", aad=PLACE)[:length], aad=PLACE)


def test_another_key_does_not_open() -> None:
    with pytest.raises(IntegrityFailed):
        unseal(b"x" * 32, seal(KEY, b"value", aad=PLACE), aad=PLACE)


def test_sealing_twice_uses_two_nonces() -> None:
    assert seal(KEY, b"value", aad=PLACE) != seal(KEY, b"value", aad=PLACE)


def test_text_and_number_are_two_places() -> None:
    assert bind("t", "1") != bind("t", 1)


def test_the_error_shows_nothing_of_the_value() -> None:
    with pytest.raises(IntegrityFailed) as refusal:
        unseal(b"x" * 32, seal(KEY, b"canary", aad=PLACE), aad=PLACE)
    assert "canary" not in str(refusal.value) + refusal.value.detail


@given(st.binary(max_size=60), places)
def test_a_key_that_keeps_its_cipher_seals_and_opens_as_its_bytes_do(plaintext: bytes, place: tuple[str, ...]) -> None:
    kept = SealingKey(KEY)
    assert unseal(KEY, seal(kept, plaintext, aad=place), aad=place) == plaintext
    assert unseal(kept, seal(KEY, plaintext, aad=place), aad=place) == plaintext
    assert kept == KEY
    assert kept.cipher is kept.cipher
