"""Two thieves of identities: one that a detector notices after days, one that nobody ever notices.

A thief holds the agent's key and knows its mandate, so its calls look like the agent's own. It tries all that the
agent was ever granted within hours, some things that it was not, and then goes on slowly.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.history.catalog import TIERS
from benchmarks.history.days import DAY, HOUR, SECOND, moment
from benchmarks.history.plan import Agent, Entitlement
from benchmarks.history.work import Line, call, new_run

KINDS = ("detected", "unnoticed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Theft:
    """Whose identity was stolen, when, and until when the key was good."""

    thief: str
    agent: Agent
    since: int
    until: int


def thefts(rng: random.Random, agents: list[Agent], *, each: int, days: int) -> list[Theft]:
    """`each` agents for each thief, of those that have worked from the first days on and still do."""
    old = [agent for agent in agents if agent.joined <= days // 9 and agent.retired is None]
    stolen = rng.sample(old, each * len(KINDS))
    found = []
    for number, agent in enumerate(stolen):
        thief = KINDS[number % len(KINDS)]
        since = moment(round(days * rng.uniform(0.5, 0.62)), rng.randrange(0, 6 * 3600))
        until = since + rng.randint(8, 11) * DAY if thief == "detected" else moment(days)
        found.append(Theft(thief=thief, agent=agent, since=since, until=until))
    return found


def signals(rng: random.Random, theft: Theft) -> Iterator[Line]:
    """What the detector says of a theft that it notices; it is over when the key has been changed."""
    if theft.thief != "detected":
        return
    anomaly = theft.since + rng.randint(36, 72) * HOUR
    critical = anomaly + rng.randint(10, 40) * HOUR
    for name, at, on in (("anomaly", anomaly, True), ("critical", critical, True)):
        yield signal(at, theft.agent.name, name, on=on)
    for name in ("critical", "anomaly"):
        yield signal(theft.until + HOUR, theft.agent.name, name, on=False)


def signal(at: int, agent: str, name: str, *, on: bool, about: str | None = None) -> Line:
    """One line about something that was noticed, or is over."""
    more = {} if about is None else {"about": about}
    return {"kind": "signal", "at": at, "agent": agent, "signal": name, **more, "on": on}


def tries(rng: random.Random, theft: Theft) -> Iterator[Line]:
    """All that the thief does: everything within hours, what was not granted too, then a few calls a day."""
    held = [each for each in theft.agent.granted if each.granted < theft.since]
    rng.shuffle(held)
    run, at = new_run(rng), theft.since
    step = rng.randint(2, 5) * HOUR // len(held)
    for each in held:
        yield _try(at, each, run)
        at += rng.randrange(step // 3, step * 5 // 3)
    yield from _outside(rng, theft, held, at)
    at += rng.randint(4, 30) * HOUR
    while at < theft.until:
        run = new_run(rng)
        for each in rng.sample(theft.agent.granted, rng.randint(1, 4)):
            at += rng.randrange(20 * SECOND, 900 * SECOND)
            if each.granted < at < theft.until:
                yield _try(at, each, run)
        at += rng.randint(5, 60) * HOUR


def _try(at: int, each: Entitlement, run: str) -> Line:
    return call("use", at, each.agent, each.purpose, each.action, run)


def _outside(rng: random.Random, theft: Theft, held: list[Entitlement], at: int) -> Iterator[Line]:
    """What the agent was never granted, and what it was granted for another purpose: the server itself lets it pass."""
    granted = {each.action for each in theft.agent.granted}
    run = new_run(rng)
    for action in rng.sample([each for each in TIERS if each not in granted], 3):
        at += rng.randrange(5 * SECOND, 90 * SECOND)
        yield call("use", at, theft.agent.name, held[0].purpose, action, run)
    yield call("use", at + 7 * SECOND, theft.agent.name, "no-such-purpose", held[0].action, run)
