"""What is looked for is made once for the calls of a second, and not kept longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from remit.vault.echo import Scanner, Sought, forms
from remit.vault.lately import Lately

SECRET = b"canary-value-of-a-secret"
OTHER = b"another-value-of-a-secret"


class Timers:
    """Timers that go off when told."""

    def __init__(self) -> None:
        self.set: list[tuple[float, Callable[[], None]]] = []

    def later(self) -> Callable[[float, Callable[[], None]], object]:
        return lambda seconds, then: self.set.append((seconds, then))


def test_it_is_made_once_within_a_second_and_forgotten_after_it() -> None:
    timers = Timers()
    lately = Lately(timers.later)
    first, second, third = (lately.looking_for(value) for value in (SECRET, SECRET, OTHER))
    assert first._sought is second._sought
    assert first._sought is not third._sought
    assert (len(lately), [seconds for seconds, _ in timers.set]) == (2, [1.0])
    timers.set.pop()[1]()
    assert len(lately) == 0
    assert lately.looking_for(SECRET)._sought is not first._sought
    assert len(timers.set) == 1


def test_what_a_scanner_saw_is_its_own() -> None:
    timers = Timers()
    lately = Lately(timers.later)
    first, second = lately.looking_for(SECRET), lately.looking_for(SECRET)
    assert first.feed(SECRET[:10]) is False
    assert second.feed(SECRET[10:]) is False
    assert first.feed(SECRET[10:]) is True
    assert second.feed(b"nothing") is False


def test_several_values_and_what_is_of_one_call_are_looked_for() -> None:
    lately = Lately(Timers().later)
    for sent in (SECRET, OTHER, b"signature-of-one-call"):
        assert lately.looking_for(SECRET, OTHER, once=b"signature-of-one-call").feed(b"x" + sent + b"y")
    assert not lately.looking_for(SECRET, OTHER).feed(b"signature-of-one-call")
    assert len(lately) == 1  # what is of one call is not kept


def test_a_value_is_the_key_of_nothing() -> None:
    lately = Lately(Timers().later)
    lately.looking_for(SECRET)
    assert all(SECRET not in key for key in lately._made)


def test_without_a_loop_nothing_is_kept_and_with_one_it_is_for_a_second() -> None:
    lately = Lately()
    lately.looking_for(SECRET)
    assert len(lately) == 0

    async def within() -> list[int]:
        lately.looking_for(SECRET)
        kept, made = len(lately), asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(1.0, made.set_result, None)  # after the one that forgets
        await made
        return [kept, len(lately)]

    assert asyncio.run(within()) == [1, 0]


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 30))
def test_a_scanner_says_the_same_whether_or_not_it_shares(chunks: list[bytes], at: int) -> None:
    text = b"".join(chunks)
    pieces = [*chunks, SECRET[:at], SECRET[at:], text]
    sought = Sought(forms(SECRET))
    shared, beside, alone = Scanner(sought), Scanner(sought), Scanner(forms(SECRET))
    for piece in pieces:
        beside.feed(piece[::-1])
        assert shared.feed(piece) == alone.feed(piece)
        assert shared.held() == alone.held()
