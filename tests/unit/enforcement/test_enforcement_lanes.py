"""Places in a lane: bounded, shared out, given back once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement import lanes
from remit.enforcement.congestion import Bounds
from remit.enforcement.lanes import FULL, SHARE, Lane, Ticket
from remit.kernel.clock import Micros


class Clock:
    """Seconds, set by a test."""

    at = 0.0

    def __call__(self) -> float:
        return self.at


def lane(most: int = 8, *, least: int = 2, target: int = 100_000) -> tuple[Lane, Clock]:
    clock = Clock()
    return Lane("calls", Bounds(least, most, Micros(target)), clock), clock


@given(st.lists(st.one_of(st.sampled_from([b"a", b"b", b"c", None]), st.integers(0, 20)), max_size=200))
def test_never_more_wait_than_may_and_none_is_lost(steps: list[bytes | int | None]) -> None:
    one, _ = lane()
    held: list[Ticket] = []
    for step in steps:
        if not isinstance(step, int):
            if (ticket := one.enter(step)) is not None:
                held.append(ticket)
        elif held:
            held.pop(step % len(held)).leave()
        assert one.waiting == len(held) <= one.limit
    for ticket in held:
        ticket.leave()
    assert one.waiting == 0
    assert one._held == {}, "nothing is remembered of who waits no more"


def test_one_caller_gets_half_and_another_one_still_finds_room() -> None:
    one, _ = lane(8)
    mine = [one.enter(b"runaway") for _ in range(20)]
    assert sum(each is not None for each in mine) == 4
    assert one.enter(b"another") is not None
    assert one.refused == {FULL: 0, SHARE: 16}


def test_all_that_an_agent_shows_is_one_caller_once_it_was_verified() -> None:
    one, _ = lane(8)
    for credential in (b"first", b"second"):
        ticket = one.enter(credential)
        assert ticket is not None
        ticket.learn("bot")
        ticket.leave()
    got = [one.enter(credential) for credential in (b"first", b"second") * 8]
    assert sum(each is not None for each in got) == 4


def test_a_place_is_given_back_once() -> None:
    one, _ = lane()
    ticket, other = one.enter(b"a"), one.enter(b"a")
    assert ticket is not None
    assert other is not None
    ticket.leave()
    ticket.leave()
    assert one.waiting == 1


def test_who_lets_its_body_be_waited_for_holds_no_place_meanwhile() -> None:
    one, clock = lane(100, least=10)
    ticket = one.enter(b"slow")
    assert ticket is not None
    ticket.pause()
    ticket.pause()
    assert one.waiting == 0
    clock.at += 30.0
    ticket.resume()
    assert one.waiting == 1
    ticket.leave()
    assert (one.waiting, one.limit) == (0, 100), "what it took to come is not what it waited"
    gone = one.enter(b"slow")
    assert gone is not None
    gone.pause()
    gone.leave()
    gone.resume()
    assert one.waiting == 0


def test_a_lane_in_which_one_waits_long_lets_fewer_wait() -> None:
    one, clock = lane(100, least=10)
    ticket = one.enter(b"a")
    assert ticket is not None
    clock.at += 1.0
    ticket.leave()
    assert one.limit == 80
    ticket = one.enter(b"a")
    assert ticket is not None
    clock.at += 0.05
    ticket.leave()
    assert one.limit == 80, "a window is a tenth of a second"
    ticket = one.enter(b"a")
    assert ticket is not None
    clock.at += 0.06
    ticket.leave()
    assert one.limit == 88


def test_credentials_that_are_known_are_bounded() -> None:
    one, _ = lane()
    for number in range(5000):
        one.learn(b"%d" % number, "bot")
    assert len(one._known) == 4096
    assert b"4999" in one._known


def test_nobody_is_known_outside_of_a_request() -> None:
    lanes.known("bot")
    lanes.decided()
