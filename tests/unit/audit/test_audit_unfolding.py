"""A bundle that is inflated as far as it is asked for says of each place what one that is read whole says."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.audit.stored import Unfolding, read_bundle

LARGE = [random.Random(n).randbytes(900) for n in range(150)]  # several parts
entries = st.one_of(st.lists(st.binary(max_size=60), min_size=1, max_size=12), st.just(LARGE))


def stored(parts: Sequence[bytes]) -> bytes:
    return zlib.compress(b"".join(len(part).to_bytes(4, "big") + part for part in parts))


def all_of(bundle: object, count: object, asked: Sequence[int]) -> list[bytes | None]:
    unfolding = Unfolding(bundle, count)
    return [unfolding.at(slot) for slot in asked]


@given(parts=entries, order=st.randoms(use_true_random=False), off=st.integers(-1, 2))
def test_each_place_is_as_in_the_whole(parts: list[bytes], order: random.Random, off: int) -> None:
    count, asked = len(parts) + off, list(range(-1, len(parts) + 2))
    order.shuffle(asked)
    whole = read_bundle(stored(parts), count)[0]
    expected = [whole[slot] if 0 <= slot < len(whole) else None for slot in asked]
    assert all_of(stored(parts), count, asked) == expected


@given(parts=entries, at=st.floats(0, 1, exclude_max=True), how=st.sampled_from(["flip", "cut", "more"]))
def test_damage_leaves_what_stood_before_it(parts: list[bytes], at: float, how: str) -> None:
    whole = bytearray(stored(parts))
    place = int(at * len(whole))
    if how == "flip":
        whole[place] ^= 0x55
    elif how == "cut":
        del whole[place:]
    else:
        whole += b"more"
    found = read_bundle(bytes(whole), len(parts))[0]
    expected = [found[slot] if slot < len(found) else None for slot in range(len(parts))]
    assert all_of(bytes(whole), len(parts), range(len(parts))) == expected


@pytest.mark.parametrize(("bundle", "count"), [(None, 1), ("text", 1), (b"", 1), (stored([b"a"]), None), (b"x", 0)])
def test_what_is_no_bundle_has_nothing(bundle: object, count: object) -> None:
    assert all_of(bundle, count, range(3)) == [None] * 3


def test_what_nobody_asks_for_is_not_inflated() -> None:
    unfolding = Unfolding(stored(LARGE), len(LARGE))
    assert unfolding.at(0) == LARGE[0]
    assert len(unfolding._headers) < len(LARGE) / 2


def test_a_row_that_claims_an_endless_frame_takes_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step copies what is there of the frame: in equal steps 65 kB in a row held the server up for minutes."""
    bomb = zlib.compress(b"\xff\xff\xff\xff" + bytes(1 << 22))
    steps, goes_on = list[int](), Unfolding._go_on

    def counted(unfolding: Unfolding) -> None:
        steps.append(1)
        goes_on(unfolding)

    monkeypatch.setattr(Unfolding, "_go_on", counted)
    assert Unfolding(bomb, 2).at(0) is None
    assert len(steps) < 12
