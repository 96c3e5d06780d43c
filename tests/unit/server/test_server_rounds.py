"""Rounds over work that is due: no piece twice at a time, no failure that ends them, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib

from remit.kernel.errors import StorageUnavailable
from remit.server.rounds import AT_ONCE, Rounds

LONG = 3600.0


class Work:
    """Pieces that wait until they are let go."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.looks, self.released = 0, 0
        self.fails: list[Exception] = []
        self.go = asyncio.Event()
        self.rounds = Rounds(
            kind="test", due=self.due, carry=self.carry, release=self.release, pause=lambda: LONG
        )  # fmt: skip

    async def due(self) -> list[str]:
        self.looks += 1
        if self.fails:
            raise self.fails.pop()
        return self.names

    async def carry(self, name: str) -> None:
        self.begun.append(name)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        if name == "bad":
            raise ValueError(name)

    async def release(self) -> None:
        self.released += 1

    async def looked(self, times: int) -> None:
        """Wake it until it has looked so often."""
        async with asyncio.timeout(10):
            while self.looks < times:
                self.rounds.wake()
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_a_piece_is_carried_by_one_task_at_a_time() -> None:
    async def told() -> None:
        work = Work("a", "bad")
        task = asyncio.create_task(work.rounds.run())
        await work.looked(3)
        assert work.begun == ["a", "bad"]
        work.go.set()
        await work.looked(5)
        assert work.begun.count("a") > 1, "what is due again is carried again"
        assert work.released == 1
        await ended(task)

    asyncio.run(told())


def test_no_more_are_carried_at_once_than_are_asked_for() -> None:
    async def told() -> None:
        work = Work(*(str(at) for at in range(AT_ONCE + 5)))
        task = asyncio.create_task(work.rounds.run())
        await work.looked(2)
        assert len(work.begun) == AT_ONCE
        await ended(task)
        assert sorted(work.cancelled) == sorted(work.begun), "nothing goes on after the process ends it"

    asyncio.run(told())


def test_a_database_that_is_away_ends_nothing() -> None:
    async def told() -> None:
        work = Work("a")
        work.fails = [StorageUnavailable("away"), RuntimeError("what")]
        task = asyncio.create_task(work.rounds.run())
        await work.looked(3)
        assert work.begun == ["a"]
        await ended(task)

    asyncio.run(told())


def test_what_is_due_is_carried_once_by_hand() -> None:
    async def told() -> None:
        work = Work("a", "b")
        work.go.set()
        assert await work.rounds.tick() == 2
        assert work.begun == ["a", "b"]
        work.rounds.wake()  # nobody runs: nothing happens

    asyncio.run(told())
