"""The loop that certifies in the background: no failure ends it, and it ends when the server does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest

from remit.kernel.clock import DAY, HOUR, MINUTE, FixedClock, Instant
from remit.kernel.errors import StorageUnavailable
from remit.server import certifying
from remit.server.certifying import Certifying
from remit.server.changed import Changed

SOON = 10 * MINUTE


class Service:
    """Fails as told, and sweeps until it is told to stop."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked: list[str] = []
        self.broken: set[str] = set()
        self.ticks = 0
        self.sweeps = 0
        self.sweeping, self.stopped = threading.Event(), threading.Event()
        self.endless = False

    def judge_agent(self, agent: str, _stop: Callable[[], bool]) -> int:
        self.asked.append(agent)
        if agent in self.broken:
            raise StorageUnavailable(agent)
        return 1

    def tick(self, _stop: Callable[[], bool]) -> int:
        self.ticks += 1
        if self.failures:
            raise self.failures.pop(0)
        return 0

    def sweep(self, stop: Callable[[], bool]) -> tuple[int, int]:
        self.sweeps += 1
        self.sweeping.set()
        while self.endless and not stop():
            self.stopped.wait(0.01)
        self.stopped.set()
        return 0, 0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certifying, "_EVERY", 0.01)


def running(service: Service, until: Callable[[], bool]) -> Certifying:
    it: Any = Certifying(service=service, clock=FixedClock(DAY))  # type: ignore[arg-type]

    async def run() -> None:
        task = asyncio.create_task(it.run())
        async with asyncio.timeout(30):
            while not until():  # noqa: ASYNC110 - a thread works
                await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())
    return it  # type: ignore[no-any-return]


def test_no_failure_ends_it() -> None:
    service = Service(ValueError("a surprise"), StorageUnavailable("gone"), KeyError("another"))
    running(service, lambda: service.ticks >= 4)
    assert not service.failures


def test_a_sweep_ends_with_the_server() -> None:
    # A thread cannot be cancelled: a sweep of a million would hold up the end for minutes.
    service = Service()
    service.endless = True
    it = Certifying(service=service, clock=FixedClock(DAY))  # type: ignore[arg-type]
    it._next = 1

    async def run() -> None:
        task = asyncio.create_task(it.run())
        await asyncio.to_thread(service.sweeping.wait, 30)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())  # waits for its threads
    assert service.stopped.is_set()


def test_nothing_more_begins_once_the_server_ends() -> None:
    service, begun = Service(), list[str]()
    service.endless = True
    daily = {"posture": lambda _stop: begun.append("posture")}
    it = Certifying(service=service, clock=FixedClock(DAY), daily=daily)  # type: ignore[arg-type]
    it._next = 1

    async def ended() -> None:
        task = asyncio.create_task(it.run())
        await asyncio.to_thread(service.sweeping.wait, 10)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(service.stopped.wait, 10)

    asyncio.run(ended())  # waits for the thread
    assert service.stopped.is_set()
    assert begun == [], "the day's posture is not begun while the process waits to end"


def test_everything_is_swept_soon_after_the_start_and_then_once_a_day() -> None:
    service, clock = Service(), FixedClock(DAY)
    it = Certifying(service=service, clock=clock)  # type: ignore[arg-type]
    seen = []
    for later in (0, SOON - 1, SOON, SOON + 1, SOON + DAY - 1, SOON + DAY):
        clock.at = DAY + later
        it.once()
        seen.append(service.sweeps)
    assert seen == [0, 0, 1, 1, 1, 2]


def test_a_start_neither_puts_the_days_sweep_off_nor_repeats_it() -> None:
    for last, due in ((9 * DAY + HOUR, HOUR), (9 * DAY - HOUR, SOON)):
        service, clock = Service(), FixedClock(10 * DAY)
        it = Certifying(service=service, clock=clock, swept=lambda last=last: Instant(last))  # type: ignore[arg-type, misc]
        seen = []
        for later in (0, due - 1, due):
            clock.at = 10 * DAY + later
            it.once()
            seen.append(service.sweeps)
        assert seen == [0, 0, 1]


def changed(it: Certifying, *agents: str) -> None:
    it.changed.follow(1, (*(f"agent:{agent}" for agent in agents), "freezes"), None)  # type: ignore[arg-type]


def test_what_changed_is_judged_once() -> None:
    service = Service()
    it = Certifying(service=service, clock=FixedClock(DAY))  # type: ignore[arg-type]
    changed(it, "a", "b", "a")
    it.once()
    it.once()
    assert service.asked == ["a", "b"]


def test_a_failure_forgets_no_agent_and_holds_up_nothing_else() -> None:
    service = Service()
    it = Certifying(service=service, clock=FixedClock(DAY))  # type: ignore[arg-type]
    service.broken = {"b"}
    changed(it, "a", "b", "c")
    it.once()
    it.once()
    assert service.asked == ["a", "b", "c", "b"]
    assert service.ticks == 2
    service.broken = set()
    it.once()
    it.once()
    assert service.asked == ["a", "b", "c", "b", "b"]


def test_an_agent_that_changes_while_others_are_judged_is_judged_next(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    it = Certifying(service=service, clock=FixedClock(DAY))  # type: ignore[arg-type]
    judge = service.judge_agent

    def meanwhile(agent: str, stop: Callable[[], bool]) -> int:
        if agent == "a":
            changed(it, "z", "a")
        return judge(agent, stop)

    monkeypatch.setattr(service, "judge_agent", meanwhile)
    changed(it, "a", "b")
    it.once()
    assert service.asked == ["a", "b"]
    monkeypatch.setattr(service, "judge_agent", judge)
    it.once()
    assert service.asked == ["a", "b", "z", "a"]


def test_what_else_is_done_goes_on_when_one_of_it_fails() -> None:
    done: list[str] = []

    def fails(_stop: Callable[[], bool]) -> None:
        raise ValueError("broken")

    clock = FixedClock(Instant(DAY))
    it = Certifying(
        service=Service(), clock=clock,  # type: ignore[arg-type]
        ticks={"first": fails, "second": lambda _stop: done.append("tick")},
        daily={"first": fails, "second": lambda _stop: done.append("day")},
    )  # fmt: skip
    it.once()
    clock.at = Instant(DAY + HOUR)
    it.once()
    assert done == ["tick", "tick", "day"]


def test_an_agent_is_looked_at_before_it_is_judged_and_all_are_when_combinations_change() -> None:
    service, looked = Service(), list[tuple[str, int]]()
    it = Certifying(
        service=service, clock=FixedClock(Instant(DAY)),  # type: ignore[arg-type]
        noticing=lambda agent: looked.append((agent, len(service.asked))), changed=Changed(lambda: ["a", "b"]),
    )  # fmt: skip
    it.changed.follow(1, ("combinations",), None)  # type: ignore[arg-type]
    it.once()
    assert looked == [("a", 0), ("b", 1)]


def test_only_the_leader_certifies_and_who_follows_it_misses_nothing() -> None:
    service, leads = Service(), False
    it = Certifying(service=service, clock=FixedClock(DAY), leads=lambda: leads)  # type: ignore[arg-type]
    changed(it, "a", "b")
    it.once()
    changed(it, "b", "c")
    it.once()
    assert (service.ticks, service.asked) == (0, [])
    leads = True
    it.once()
    assert (service.ticks, service.asked) == (1, ["a", "b", "c"])


def test_who_no_longer_leads_stops_before_the_next_step() -> None:
    leads, asked = True, list[bool]()

    def loses(stop: Callable[[], bool]) -> None:
        nonlocal leads
        leads = False
        asked.append(stop())

    it = Certifying(service=Service(), clock=FixedClock(DAY), leads=lambda: leads, ticks={"one": loses})  # type: ignore[arg-type]
    it.once()
    assert asked == [True]


def test_what_nobody_can_name_is_judged_as_a_whole() -> None:
    service = Service()
    it = Certifying(service=service, clock=FixedClock(DAY), changed=Changed(lambda: ["a", "b"]))  # type: ignore[arg-type]
    it.changed.follow(1, ("*",), None)  # type: ignore[arg-type]
    it.once()
    assert service.asked == ["a", "b"]
