"""A made-up estate: its agents, what each was granted, and the tasks that need some of it.

Shares follow what is published of machine access: most of what is granted is never used, access is added in batches
while the workload grows and is hardly ever taken away.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from benchmarks.history.catalog import SERVERS, TIERS, TOXIC, server_of
from benchmarks.history.days import moment

_UNUSED_SHARE = (0.48, 0.74)
_TASKS = {"steady": 34, "fading": 20, "month_end": 17, "seasonal": 16, "quarterly": 13}  # kinds of further tasks
_TIERS_OF = {
    "steady": {"low": 62, "medium": 32, "high": 6},
    "fading": {"low": 50, "medium": 32, "high": 18},
    "month_end": {"low": 45, "medium": 38, "high": 17},
    "seasonal": {"low": 45, "medium": 40, "high": 15},
    "quarterly": {"low": 40, "medium": 40, "high": 20},
    "unused": {"low": 50, "medium": 32, "high": 14, "critical": 4},
}
_CADENCE = {"month_end": 30, "quarterly": 91}
_PURPOSES = (
    "close-books",
    "serve-customers",
    "ship-software",
    "keep-records",
    "buy-goods",
    "run-platform",
    "plan-work",
)


@dataclass(slots=True, kw_only=True)
class Entitlement:
    """What an agent may do for a purpose, why it is there (`label`), and from and until when it is granted."""

    agent: str
    purpose: str
    action: str
    tier: str
    label: str
    granted: int
    more: dict[str, Any] = field(default_factory=dict)
    ended: int | None = None


@dataclass(slots=True, kw_only=True)
class Task:
    """Work that comes again: the actions that one run of it uses, those it shares with other tasks last."""

    kind: str
    purpose: str
    actions: list[str]
    shared: list[str]
    first_day: int


@dataclass(slots=True, kw_only=True)
class Agent:
    """An agent, whose it is, from which day, and whether it also works when people do not (`nightly`)."""

    name: str
    owner: str
    joined: int
    nightly: bool
    granted: list[Entitlement] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    toxic: tuple[str, str] | None = None
    retired: int | None = None
    owners: list[tuple[int, str]] = field(default_factory=list)  # from which day whose, if its first owner leaves


def plan(rng: random.Random, *, agents: int, days: int) -> list[Agent]:
    """All agents, in the order of their names."""
    owners = [f"owner-{number:02d}" for number in range(max(3, agents // 8))]
    return [_agent(rng, number, rng.choice(owners), days) for number in range(agents)]


def _agent(rng: random.Random, number: int, owner: str, days: int) -> Agent:
    joined = 0 if rng.random() < 0.6 else rng.randrange(1, days // 2)
    agent = Agent(name=f"agent-{number:03d}", owner=owner, joined=joined, nightly=rng.random() < 0.35)
    return _Grants(rng, agent, days).filled()


class _Grants:
    """Fills one agent. A granted action leaves the pool of its servers' actions, so that none is granted twice."""

    def __init__(self, rng: random.Random, agent: Agent, days: int) -> None:
        self.rng, self.agent, self.days = rng, agent, days
        self.purposes = rng.sample(_PURPOSES, rng.choice((1, 1, 1, 2, 2)))
        self.careful = rng.random() < 0.2  # its owner lets only what the work needs start by itself
        servers = rng.sample(SERVERS, rng.randint(4, 7))
        self.pool = [action for action in TIERS if server_of(action) in servers]
        rng.shuffle(self.pool)

    def filled(self) -> Agent:
        size = min(55, max(14, round(self.rng.gauss(30, 8))))
        unused = round(size * self.rng.uniform(*_UNUSED_SHARE))
        if self.rng.random() < 0.1:
            self._toxic()
        self._task("steady")
        while len(self.agent.granted) < size - unused:
            self._task(self.rng.choices(list(_TASKS), list(_TASKS.values()))[0])
        if self.rng.random() < 0.45:
            self._critical()
        self._unused(unused)
        return self.agent

    def _draw(self, kind: str) -> str | None:
        weights = _TIERS_OF[kind]
        tier = self.rng.choices(list(weights), list(weights.values()))[0]
        found = next((action for action in self.pool if TIERS[action] == tier), None)
        found = found or next((action for action in self.pool if TIERS[action] in weights), None)
        if found is not None:
            self.pool.remove(found)
        return found

    def _task(self, kind: str) -> None:
        drawn = [self._draw(kind) for _ in range(self.rng.randint(2, 4))]
        actions = [action for action in drawn if action is not None]
        purpose, day = self.rng.choice(self.purposes), self._day(later=0.2)
        cadence = _CADENCE.get(kind)
        more = {"cadence_days": cadence} if cadence and self.rng.random() < 0.3 else {}
        for action in actions:
            self._grant(purpose, action, kind, day, **more)
        # The rarer work looks things up with what the daily work reads with, if that was there first.
        steady = [
            each.action
            for each in self.agent.granted
            if (each.label, each.purpose) == ("steady", purpose) and each.granted <= moment(day, 7 * 3600)
        ]
        shared = [] if kind == "steady" else self.rng.sample(steady, min(len(steady), self.rng.randint(0, 2)))
        self.agent.tasks.append(Task(kind=kind, purpose=purpose, actions=actions, shared=shared, first_day=day))

    def _critical(self) -> None:
        action = next((each for each in self.pool if TIERS[each] == "critical"), None)
        if action is None:
            return
        self.pool.remove(action)
        purpose, day = self.rng.choice(self.purposes), self._day(later=0.2)
        more = {"limited": True} if self.rng.random() < 0.35 else {}
        self._grant(purpose, action, "critical_rare", day, **more)
        task = Task(kind="critical_rare", purpose=purpose, actions=[action], shared=[], first_day=day)
        self.agent.tasks.append(task)

    def _toxic(self) -> None:
        pair = self.rng.choice(TOXIC)
        self.agent.toxic = pair
        self.pool = [action for action in self.pool if action not in pair]
        purpose, day = self.rng.choice(self.purposes), self.agent.joined
        for action in pair:
            self._grant(purpose, action, "toxic", day)
        task = Task(kind="toxic", purpose=purpose, actions=[pair[0]], shared=[], first_day=day)
        self.agent.tasks.append(task)

    def _unused(self, count: int) -> None:
        batches = [(self.rng.choice(self.purposes), self._day(later=0.45)) for _ in range(self.rng.randint(2, 5))]
        for _ in range(count):
            action = self._draw("unused")
            if action is None:
                return
            purpose, day = self.rng.choice(batches)
            more = {"cadence_days": self.rng.choice((30, 91))} if self.rng.random() < 0.03 else {}
            self._grant(purpose, action, "unused", day, **more)

    def _day(self, *, later: float) -> int:
        last = round(self.days * 0.8)
        return self.rng.randrange(self.agent.joined, last) if self.rng.random() < later else self.agent.joined

    def _grant(self, purpose: str, action: str, label: str, day: int, **more: object) -> None:
        tier = TIERS[action]
        if tier == "high" and not (self.careful and label in ("unused", "toxic")):
            more["first_use"] = "auto"
        if self.rng.random() < 0.03:
            more["ttl_days"] = self.rng.choice((7, 10, 14, 21))
        ends_inside = label == "unused" and self.rng.random() < 0.02
        ends = self.rng.randint(day + 40, day + 90) if ends_inside else self.days + self.rng.randint(30, 400)
        self.agent.granted.append(
            Entitlement(
                agent=self.agent.name, purpose=purpose, action=action, tier=tier, label=label,
                granted=moment(day, 7 * 3600 + 60), more={"not_after": moment(ends), **more},
            )
        )  # fmt: skip
