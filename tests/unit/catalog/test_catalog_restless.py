"""What of a listing may wait: never what takes away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.catalog.model import PinState, Server
from remit.catalog.observe import observe
from remit.catalog.restless import MOST, Listings, waits
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ServerName

NAMES = ("read", "write", "send")
tools = st.lists(
    st.builds(
        lambda name, text: {"name": name, "description": text, "inputSchema": {"type": "object"}},
        st.sampled_from(NAMES),
        st.sampled_from(["one", "another"]),
    ),
    max_size=3,
)


def bare() -> Server:
    return Server(
        server=ServerName("docs"), url="http://x/mcp", credential=None, tiers=(), review="pin-on-first-use",
        tools={}, set_pin="",
    )  # fmt: skip


def open_tools(server: Server) -> set[str]:
    return {name for name, tool in server.tools.items() if tool.state is PinState.APPROVED}


@given(st.lists(tools, min_size=1, max_size=5))
def test_whatever_waits_could_have_been_left_out_without_letting_any_call_through(listings: list[list[object]]) -> None:
    server = bare()
    for each in listings:
        after = observe(server, each).server
        if waits(server, after):
            assert open_tools(server) <= open_tools(after)
        else:
            assert server.set_pin == "" or open_tools(server) - open_tools(after)
        server = after


@given(st.lists(st.integers(0, 3 * DAY), max_size=3 * MOST))
def test_in_any_day_no_more_are_taken_than_one_server_gets(steps: list[int]) -> None:
    listings, taken = Listings(), []
    for at in sorted(steps):
        if not listings.full("docs", Instant(at)):
            listings.took("docs", Instant(at))
            taken.append(at)
    assert all(sum(at - DAY < each <= at for each in taken) <= MOST for at in taken)


def test_it_is_told_once_a_day() -> None:
    listings = Listings()
    assert [listings.tell("docs", Instant(at)) for at in (0, 1, DAY - 1, DAY, DAY + 1)] == [
        True, False, False, True, False,
    ]  # fmt: skip
