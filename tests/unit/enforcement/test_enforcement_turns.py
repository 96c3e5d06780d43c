"""So many requests begin in one turn of the event loop, in the order in which they came."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from remit.enforcement.turns import Turns


async def begun(turns: Turns, count: int, cancelled: frozenset[int]) -> list[list[int]]:
    """Who began in each turn, when `count` come at once."""
    order: list[int] = []

    async def one(number: int) -> None:
        await turns.next()
        order.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    found, seen = [], 0
    for turn in range(3 * count + 3):
        await asyncio.sleep(0)
        if turn == 0:
            for number in cancelled:
                tasks[number].cancel()
        if len(order) > seen:
            found.append(order[seen:])
            seen = len(order)
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


@given(st.integers(1, 5), st.integers(0, 40))
def test_none_begins_before_its_turn(most: int, count: int) -> None:
    found = asyncio.run(begun(Turns(most), count, frozenset()))
    assert [number for turn in found for number in turn] == list(range(count))
    assert all(len(turn) == most for turn in found[:-1])
    assert not found or len(found[-1]) <= most


def test_who_went_away_takes_no_turn() -> None:
    found = asyncio.run(begun(Turns(2), 8, frozenset({2, 3, 4})))
    assert found == [[0, 1], [5, 6], [7]]


def test_a_turn_that_is_over_leaves_room() -> None:
    async def scenario() -> None:
        turns = Turns(1)
        for _ in range(3):
            async with asyncio.timeout(5):
                await turns.next()

    asyncio.run(scenario())
