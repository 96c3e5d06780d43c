from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.tokens.nonce import BUCKET, Nonces, NonceUse, is_fresh, nonce

KEY = b"k" * 32
TIMES = st.integers(10 * BUCKET, 2**52).map(Instant)


@given(TIMES, st.integers(0, BUCKET))
@pytest.mark.requirement("dpop:nonce")
def test_what_was_given_out_within_a_bucket_is_fresh(at: Instant, later: int) -> None:
    assert is_fresh(KEY, nonce(KEY, at), now=Instant(at + later))


@given(TIMES, st.integers(2 * BUCKET, 2**40))
@pytest.mark.requirement("dpop:nonce")
def test_after_two_buckets_it_is_not(at: Instant, later: int) -> None:
    assert not is_fresh(KEY, nonce(KEY, at), now=Instant(at + later))


@given(TIMES, st.integers(0, 60 * SECOND))
def test_nodes_whose_clocks_differ_by_a_minute_take_each_others(at: Instant, ahead: int) -> None:
    assert is_fresh(KEY, nonce(KEY, Instant(at + ahead)), now=at)


@given(TIMES, st.integers(BUCKET + MINUTE, 2**40))
def test_none_is_good_ahead_of_time(at: Instant, ahead: int) -> None:
    assert not is_fresh(KEY, nonce(KEY, Instant(at + ahead)), now=at)


@given(TIMES, st.one_of(st.none(), st.text(), st.integers(), st.binary(), st.lists(st.text())))
@example(Instant(20 * BUCKET), "")
@example(Instant(20 * BUCKET), "é" * 22)
@example(Instant(20 * BUCKET), "A" * 22)
def test_nothing_else_is_one(at: Instant, presented: object) -> None:
    assert not is_fresh(KEY, presented, now=at)


@given(TIMES)
def test_another_deployments_is_not_ours(at: Instant) -> None:
    assert not is_fresh(KEY, nonce(b"o" * 32, at), now=at)


@given(TIMES)
def test_nodes_with_one_key_give_out_the_same(at: Instant) -> None:
    assert nonce(KEY, at) == Nonces(bytes(KEY), NonceUse.TOKEN).current(Instant(at - at % BUCKET))


def test_it_is_asked_where_the_setting_says() -> None:
    asked = {use: (Nonces(KEY, use).at_token(Instant(0)), Nonces(KEY, use).at_resource(Instant(0))) for use in NonceUse}
    assert {use: tuple(each is not None for each in found) for use, found in asked.items()} == {
        NonceUse.OFF: (False, False),
        NonceUse.TOKEN: (True, False),
        NonceUse.BOTH: (True, True),
    }


def test_the_key_is_not_shown() -> None:
    assert "k" * 8 not in repr(Nonces(KEY, NonceUse.BOTH))
