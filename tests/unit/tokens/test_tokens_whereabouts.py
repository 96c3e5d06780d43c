"""When a key is at two places at once: not for whoever moves or leaves by several addresses, but for two who ask."""

from __future__ import annotations

from functools import reduce
from ipaddress import ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.tokens.client_address import CLIENT, client_address, forwarded
from remit.tokens.model import TOKEN_LIFETIME
from remit.tokens.resources import same
from remit.tokens.whereabouts import (
    FRESH,
    HELD,
    HERE,
    WINDOW,
    Sighting,
    Trail,
    after,
    at_two_places,
    comparable,
    first,
    place,
    second,
)

NOON = 1_795_608_000 * SECOND
OFFICE, CAFE, HOME = "192.0.2.1", "198.51.100.7", "203.0.113.9"


def found(*uses: tuple[str, int]) -> list[bool]:
    """For each use (place, seconds after noon) whether the key is at two places by then."""
    trail, said = None, []
    for number, (where, seconds) in enumerate(uses):
        trail = after(trail, Sighting(where, Instant(NOON + seconds * SECOND), f"tok_{number}"))
        said.append(at_two_places(trail))
    return said


def trail_of(*uses: tuple[str, int]) -> Trail:
    steps = [Sighting(where, Instant(NOON + at * SECOND), f"tok_{n}") for n, (where, at) in enumerate(uses)]
    one = reduce(after, steps[1:], after(None, steps[0]))
    assert isinstance(one, Trail)
    return one


def two_copies(period: int, offset: int, times: int = 4) -> list[tuple[str, int]]:
    uses = [(OFFICE, n * period) for n in range(times)] + [(CAFE, n * period + offset) for n in range(times)]
    return sorted(uses, key=lambda each: each[1])


@given(st.integers(60, 299), st.integers(1, 298))
def test_two_copies_that_renew_are_found_when_each_has_come_back(period: int, offset: int) -> None:
    """However often they renew and whatever lies between the two: by the fifth token of both."""
    offset = 1 + offset % (period - 1)
    said = found(*two_copies(period, offset))
    assert said[:3] == [False] * 3
    assert said[4]


@given(st.lists(st.tuples(st.sampled_from([OFFICE, CAFE, HOME]), st.integers(FRESH // SECOND, 10_000)), max_size=40))
def test_who_has_a_fresh_token_and_asks_for_none_is_never_two(steps: list[tuple[str, int]]) -> None:
    """A laptop on its way, or a copy behind a NAT of many addresses: it renews when its token is at least half over."""
    at, uses = 0, []
    for where, gap in steps:
        at += gap
        uses.append((where, at))
    assert not any(found(*uses))


@given(st.lists(st.sampled_from([OFFICE, CAFE, HOME]), unique=True), st.integers(0, 30))
def test_who_never_comes_back_is_one(places: list[str], gap: int) -> None:
    assert not any(found(*((where, n * gap) for n, where in enumerate(places) for _ in range(3))))


@given(st.lists(st.tuples(st.just(OFFICE), st.integers(0, 10_000)), max_size=40))
def test_one_place_is_one_place_however_often(uses: list[tuple[str, int]]) -> None:
    assert not any(found(*uses))


@given(st.lists(st.tuples(st.sampled_from([OFFICE, CAFE, HOME]), st.integers(0, 400)), min_size=1, max_size=60))
def test_a_trail_is_bounded_and_ends_where_the_key_is(steps: list[tuple[str, int]]) -> None:
    at, uses = 0, []
    for where, gap in steps:
        at += gap
        uses.append((where, at))
    trail = trail_of(*uses)
    assert len(trail.moves) <= 16
    assert trail.last.place == uses[-1][0]
    assert all(move.to.at > trail.moves[-1].to.at - WINDOW for move in trail.moves)
    visited = [trail.home, *(move.to.place for move in trail.moves)]
    assert all(one != other for one, other in pairwise(visited))


def test_there_and_back_once_is_a_walk() -> None:
    assert found((OFFICE, 0), (CAFE, 10), (OFFICE, 20)) == [False] * 3


def test_twice_there_and_back_within_a_minute_is_two() -> None:
    assert found((OFFICE, 0), (CAFE, 10), (OFFICE, 20), (CAFE, 30)) == [False, False, False, True]


def test_the_moves_must_be_of_now() -> None:
    long = WINDOW // SECOND
    assert not any(found((OFFICE, 0), (CAFE, 10), (OFFICE, long + 20), (CAFE, long + 30)))


def test_one_quick_move_among_slow_ones_is_not_enough() -> None:
    half = FRESH // SECOND
    assert not any(found((OFFICE, 0), (CAFE, half - 1), (OFFICE, 2 * half), (CAFE, 3 * half)))
    assert found((OFFICE, 0), (CAFE, half - 1), (OFFICE, 2 * half), (CAFE, 3 * half - 1))[-1]


def test_both_families_of_one_machine_are_no_two_places() -> None:
    six = place("2001:db8::1")
    assert not any(found((OFFICE, 0), (six, 1), (OFFICE, 2), (six, 3), (OFFICE, 4), (six, 5)))
    assert comparable(HERE, six)
    assert comparable(HERE, OFFICE)


def test_a_key_of_this_machine_that_is_used_elsewhere_too() -> None:
    assert found((HERE, 0), (CAFE, 10), (HERE, 20), (CAFE, 30))[-1]


@pytest.mark.parametrize("where", [OFFICE, CAFE, place("2001:db8::1")])
def test_what_was_found_is_not_found_again_when_nobody_is_elsewhere_any_more(where: str) -> None:
    """Whichever place goes on, and from an address of either family: moves that are old say nothing."""
    trail = trail_of((OFFICE, 0), (CAFE, 10), (OFFICE, 20), (CAFE, 30), (OFFICE, 40))
    assert at_two_places(trail)
    for minutes in range(16, 400, 60):
        trail = after(trail, Sighting(where, Instant(NOON + minutes * MINUTE), "tok"))
        assert not at_two_places(trail)
        assert len(trail.moves) <= 1


def test_only_what_was_had_at_the_second_place_and_may_live_is_taken_back() -> None:
    uses = [(OFFICE, 0), (CAFE, 10), (CAFE, 11), (OFFICE, 20), (HOME, 25), (CAFE, 30), (place("2001:db8::1"), 30)]
    had = [Sighting(where, Instant(NOON + at * SECOND), f"tok_{n}") for n, (where, at) in enumerate(uses)]

    def taken(seconds: int, *, home: str = OFFICE) -> list[str]:
        return [each.token for each in second(had, home=home, now=Instant(NOON + seconds * SECOND))]

    assert taken(31) == ["tok_1", "tok_2", "tok_4", "tok_5"]
    assert taken(31, home=CAFE) == ["tok_0", "tok_3", "tok_4"]
    assert taken(31, home=HERE) == [each.token for each in had], "this machine has addresses of both families"
    over = TOKEN_LIFETIME // SECOND
    assert taken(10 + over) == ["tok_2", "tok_4", "tok_5"]
    assert taken(30 + over) == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", HERE),
        ("127.9.9.9", HERE),
        ("::1", HERE),
        (HERE, HERE),
        ("", ""),
        ("testclient", ""),
        ("192.0.2.1:8080", ""),
        ("unknown", ""),
        ("198.51.100.200", "198.51.100.0/24"),
    ],
)
def test_what_an_address_is_as_a_place(address: str, expected: str) -> None:
    assert place(address, together=(ip_network("198.51.100.0/24"),)) == expected


def test_who_a_trusted_proxy_heard() -> None:
    def ours(address: str) -> bool:
        return address.startswith("10.")

    assert forwarded(["6.6.6.6, 192.0.2.1, 10.0.0.5"], ours=ours) == "192.0.2.1"
    assert forwarded(["6.6.6.6", "192.0.2.1"], ours=ours) == "192.0.2.1", "the client wrote the first"
    assert forwarded(["10.0.0.7"], ours=ours) == ""
    assert forwarded([], ours=ours) == ""
    assert client_address({"client": ("10.0.0.5", 1), CLIENT: ""}) == "", "a proxy's own address is nobody's"
    assert client_address({"client": ("192.0.2.1", 1)}) == "192.0.2.1"
    assert client_address({"client": None}) == ""


@pytest.mark.parametrize(
    ("heard", "address"),
    [
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:db8::1, 10.0.0.5:443", "2001:db8::1"),
        ("192.0.2.1:0x50", "192.0.2.1:0x50"),
        ("192.0.2.1:\u0661", "192.0.2.1:\u0661"),
        ("[2001:db8::1]:", "[2001:db8::1]:"),
        ("[]:80", ""),
        ("_hidden:80", "_hidden"),
    ],
)
def test_a_port_behind_an_address_says_nothing(heard: str, address: str) -> None:
    assert forwarded([heard], ours=lambda each: each == "10.0.0.5") == address


@pytest.mark.parametrize(
    "other",
    [
        ["http://x/mcp/b", "http://x/mcp/a"],
        ["http://x/servers/a/mcp", "http://x/mcp/b"],
        ["http://x/mcp/a", "http://x/servers/a/mcp", "http://x/servers/b/mcp"],
    ],
)
def test_resources_are_the_same_in_any_order_and_by_either_name(other: list[str]) -> None:
    assert same(other) == same(["http://x/mcp/a", "http://x/mcp/b"])
    assert same(other) != same(["http://x/mcp/a"])
    assert same(["http://x"]) == ("http://x",)


@pytest.mark.parametrize("beside", [["/mcp/zzz"], ["/mcp/a", "/servers/b/mcp"]])
def test_what_opens_everything_is_the_same_whatever_is_named_beside_it(beside: list[str]) -> None:
    """Else whoever adds a server that nobody has would never be asked from where they come."""
    base = "http://x/remit"
    others = [base + each for each in beside]
    assert same([base, *others]) == same([*others, base]) == same([base]) == (base,)
    assert same(others) != same([base])


def test_a_window_holds_two_renewals() -> None:
    assert WINDOW > 2 * TOKEN_LIFETIME > 2 * FRESH > MINUTE


def test_a_key_is_at_home_where_it_was_first_as_long_as_it_goes_on_there() -> None:
    def at(place: str, seconds: int) -> Sighting:
        return Sighting(place, Instant(NOON + seconds * SECOND))

    home = first(None, at(OFFICE, 0))
    assert first(home, at(CAFE, 10)) == home
    assert first(home, at(OFFICE, 20)) == at(OFFICE, 20)
    long = HELD // SECOND
    assert first(home, at(CAFE, long - 1)) == home
    assert first(home, at(CAFE, long)) == at(CAFE, long)
