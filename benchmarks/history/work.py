"""From tasks to what happens: the runs of each task on its days, and the calls of each run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from benchmarks.history.days import moment, month_ends, quarters, working, working_days
from benchmarks.history.plan import Agent, Task

Line = dict[str, Any]
_ERRORS = 0.008  # share of calls that fail and are made once more
_LATE = (2, 9)  # days from the grant to the first run of a steady task


def work(rng: random.Random, agent: Agent, days: int) -> Iterator[Line]:
    """All calls that an agent makes for its own tasks, each with its run."""
    end = days if agent.retired is None else agent.retired
    for task in agent.tasks:
        for day, runs in _days(rng, task, agent, end):
            for _ in range(runs):
                yield from _run(rng, agent, task, day)


def _days(rng: random.Random, task: Task, agent: Agent, end: int) -> Iterator[tuple[int, int]]:
    """The days on which a task runs, and how often on each."""
    first = task.first_day + 1
    if task.kind in ("steady", "fading"):
        yield from _steady(rng, task, agent, end)
    elif task.kind == "toxic":
        yield from ((day, 1) for day in working_days(first, end) if rng.random() < 0.3)
    elif task.kind == "month_end":
        for turn in month_ends(first, end):
            yield from ((day, rng.randint(1, 2)) for day in rng.sample(turn, rng.randint(1, len(turn))))
    elif task.kind == "quarterly":
        for quarter in quarters(first, end, rng.choice((0, 0, 1, 2))):
            yield from ((day, 1) for day in rng.sample(quarter, min(len(quarter), rng.randint(1, 2))))
    elif task.kind == "seasonal":
        yield from _bursts(rng, first, end)
    else:
        days = working_days(first, end)
        yield from ((day, 1) for day in rng.sample(days, min(len(days), rng.randint(1, 4))))


def _steady(rng: random.Random, task: Task, agent: Agent, end: int) -> Iterator[tuple[int, int]]:
    """Daily or several times a week, with a pause now and then; a fading task stops for good on one day."""
    first = task.first_day + rng.randint(*_LATE)
    if task.kind == "fading":
        end = min(end, first + rng.randint(12, 90))
    share, most = rng.choice(((1.0, 3), (0.95, 1), (0.7, 1), (0.45, 1)))
    away = range(0)
    if rng.random() < 0.12 and end > first:
        begin = rng.randrange(first, end)
        away = range(begin, begin + rng.randint(8, 25))
    for day in range(first, end):
        if (agent.nightly or working(day)) and day not in away and rng.random() < share:
            yield day, rng.randint(1, most)


def _bursts(rng: random.Random, first: int, end: int) -> Iterator[tuple[int, int]]:
    day = first + rng.randint(0, 30)
    while day < end:
        until = min(end, day + rng.randint(4, 12))
        yield from ((each, rng.randint(1, 3)) for each in range(day, until) if working(each) or rng.random() < 0.2)
        day = until + rng.randint(25, 75)


def _run(rng: random.Random, agent: Agent, task: Task, day: int) -> Iterator[Line]:
    """One run: what it reads first, then its own actions, most of them each time, some of them often."""
    if agent.nightly and task.kind in ("steady", "fading"):
        second = round(rng.gauss(2.5 * 3600, 1500))
    else:
        second = round(rng.triangular(6.5 * 3600, 19 * 3600, 10 * 3600))
    at = moment(day, max(60, second)) + rng.randrange(1_000_000)
    run = new_run(rng)
    skipped = rng.random() < 0.25 and len(task.actions) > 2
    own = task.actions[:-1] if skipped else task.actions
    for action in [*task.shared, *own]:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            for kind in ("error", "use") if rng.random() < _ERRORS else ("use",):
                at += rng.randrange(400_000, 45_000_000)
                yield call(kind, at, agent.name, task.purpose, action, run)


def new_run(rng: random.Random) -> str:
    """A name for a run, which says nothing of who works in it."""
    return f"run-{rng.getrandbits(48):012x}"


def call(kind: str, at: int, agent: str, purpose: str, action: str, run: str) -> Line:
    """One line about a call."""
    return {"kind": kind, "at": at, "agent": agent, "purpose": purpose, "action": action, "run": run}
