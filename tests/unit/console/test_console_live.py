"""The stream of what is recorded, whom it is for, and that whoever is slow holds up nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.console import live


class Talks:
    """A log that has news at every look; whoever looks a second time is signed out meanwhile."""

    def __init__(self) -> None:
        self.looks = 0

    def read(self, query: Callable[[Any], Any]) -> Any:
        if query is live.newest:
            return 7 + self.looks
        self.looks += 1
        return 7 + self.looks, [{"look": self.looks}]

    def open_still(self) -> bool:
        return self.looks < 2


def test_nothing_that_was_read_after_the_session_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY", 0)

    async def told() -> list[bytes]:
        log = Talks()
        found = [b"".join([each]) async for each in live.events(live.Tail(log), log.open_still)]
        assert log.looks >= 2, "there was news that is not told"
        return found

    assert asyncio.run(told()) == [b": open\n\n", b'data: [{"look": 1}]\n\n']


class Still:
    """A log in which nothing to show was recorded lately, and then one entry."""

    def __init__(self) -> None:
        self.looks = 0

    def read(self, query: Callable[[Any], Any]) -> Any:
        if query is live.newest:
            return 100 * (self.looks + 1)
        self.looks += 1
        return 100 * self.looks, [{"look": self.looks}] if self.looks == 2 else []


def test_what_comes_is_not_taken_for_what_was_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is opened paused draws the first event alone, and its pace leaves that one out."""
    monkeypatch.setattr(live, "EVERY", 0)

    async def told() -> list[bytes]:
        stream = live.events(live.Tail(Still()), lambda: True)
        return [await anext(stream) for _ in range(3)]

    assert asyncio.run(told()) == [b": open\n\n", b"data: []\n\n", b'data: [{"look": 2}]\n\n']


class Grows:
    """A log that grows by one commit at each look at its end."""

    def __init__(self) -> None:
        self.end = 0
        self.reads = 0

    def read(self, query: Callable[[Any], Any]) -> Any:
        if query is live.newest:
            self.end += 1
            return self.end
        self.reads += 1
        return self.end, [{"n": self.end}]


def test_one_reader_serves_all_pages_and_ends_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY", 0)

    async def looked() -> None:
        log = Grows()
        tail = live.Tail(log)
        queues = [await tail.join() for _ in range(5)]
        before = log.reads
        while queues[0].held[-1]["n"] < 40:  # noqa: ASYNC110 - what is waited for is the loop's own work
            await asyncio.sleep(0)
        assert log.reads - before <= 40, "as many reads as looks, not as many as pages"
        seen = [[each["n"] for each in queue.held][-10:] for queue in queues]
        assert all(each == seen[0] for each in seen)
        for queue in queues:
            tail.leave(queue)
        follow = tail._task
        assert follow is not None
        await asyncio.wait_for(follow, 10)
        again = await tail.join()
        assert tail._task is not follow
        tail.leave(again)
        assert tail._task is not None
        await tail._task

    asyncio.run(looked())


@given(st.lists(st.lists(st.integers(), max_size=400), max_size=12))
def test_a_queue_holds_the_newest_and_counts_the_rest(given: list[list[int]]) -> None:
    queue = live.Queue()
    for lines in given:
        queue.put([{"n": each} for each in lines])
    said = [each for lines in given for each in lines]
    taken, lost = queue.take()
    assert [each["n"] for each in taken] == said[-500:]
    assert lost + len(taken) == len(said)
    assert queue.take() == ([], 0)


def test_an_outcome_says_how_long_its_call_took() -> None:
    said = {"decision": "dec_01m8ftxt68bt6p9jd2jdgmxa3f", "time": "2026-11-28T01:04:46.298240Z"}
    assert live._took(said) == 18
    assert live._took({"decision": "x", "time": "2026-11-28T01:04:46.298240Z"}) is None
    assert live._took({**said, "time": "then"}) is None
    assert json.dumps({"took": live._took(said)})


class Busy:
    """A log of numbered commits, one more at each look at anything."""

    def __init__(self) -> None:
        self.end = 100

    def read(self, query: Callable[[Any], Any]) -> Any:
        found = self.end if query is live.newest else query(self)
        self.end += 1
        return found

    def since(self, bundle: int, most: int = 500) -> Callable[[Any], Any]:
        def query(log: Busy) -> tuple[int, list[dict[str, Any]]]:
            found = range(bundle + 1, min(log.end, bundle + most) + 1)
            return (found[-1] if found else bundle), [{"n": each} for each in found]

        return query


def test_who_comes_later_hears_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY", 0.005)

    async def heard() -> list[list[int]]:
        log = Busy()
        monkeypatch.setattr(live, "since", log.since)
        tail = live.Tail(log)
        queues = []
        for at in range(12):
            queues.append(await tail.join())
            await asyncio.sleep(0.001 * at)
        for queue in queues:
            tail.leave(queue)
        return [[each["n"] for each in queue.held] for queue in queues]

    for each in asyncio.run(heard()):
        assert each == list(range(each[0], each[0] + len(each)))
