import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import IntegrityFailed
from remit.storage.bundle import compress, decompress, pack, unpack


@given(st.lists(st.binary(max_size=40)))
def test_what_was_packed_comes_out_again(parts: list[bytes]) -> None:
    assert unpack(decompress(compress(pack(parts)))) == parts


@given(st.lists(st.binary(max_size=40), min_size=1), st.integers(min_value=1))
def test_a_cut_bundle_is_damaged_or_misses_whole_entries(parts: list[bytes], cut: int) -> None:
    framed = pack(parts)
    shorter = framed[: -(cut % len(framed) or 1)]
    try:
        rest = unpack(shorter)
    except IntegrityFailed:
        return
    assert rest == parts[: len(rest)]


def test_an_empty_payload_keeps_its_place() -> None:
    assert unpack(pack([b"", b"sealed", b""])) == [b"", b"sealed", b""]


@pytest.mark.parametrize("framed", [b"\x00", b"\x00\x00\x00\x02x", pack([b"abc"])[:-1], pack([b"abc"]) + b"\x00"])
def test_a_frame_past_the_end_is_damage(framed: bytes) -> None:
    with pytest.raises(IntegrityFailed):
        unpack(framed)


@pytest.mark.parametrize("stored", [b"", b"junk", compress(b"abc")[:-1], compress(b"abc") + b"x"])
def test_what_is_not_one_whole_stream_is_damage(stored: bytes) -> None:
    with pytest.raises(IntegrityFailed):
        decompress(stored)


def test_a_bomb_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.storage.bundle._MAX_BUNDLE", 1000)
    assert len(decompress(zlib.compress(bytes(999)))) == 999
    with pytest.raises(IntegrityFailed):
        decompress(zlib.compress(bytes(5000)))
