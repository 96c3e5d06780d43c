"""What others do, on the same history: fixed idle windows, and a quarterly review of what 90 days have not used.

What is withdrawn stays so until a person gives it back, one working day after a task has failed for want of it. A
thief asks no person, so it gets nothing back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.history.catalog import WEIGHT
from benchmarks.history.days import DAY, FIRST, START, day_of, moment, next_working
from benchmarks.history.judged import due, shares
from benchmarks.history.reading import Grant, World

NEVER = 1 << 62
Rule = Callable[[int], int]  # from the last grant or use to when it is withdrawn, if nothing uses it before


def window(days: int) -> Rule:
    """Withdrawn after so many idle days."""
    return lambda last: last + days * DAY


def review(last: int) -> int:
    """Withdrawn at the first day of a quarter at which it has been idle for 90 days."""
    idle = FIRST + dt.timedelta(days=-(-(last + 90 * DAY - START) // DAY))
    months = (idle.month - 1) // 3 * 3 + 1
    first = dt.date(idle.year, months, 1)
    if first < idle:
        first = dt.date(idle.year + months // 10, (months + 2) % 12 + 1, 1)
    return moment((first - FIRST).days)


RULES: dict[str, Rule] = {
    "as granted": lambda _last: NEVER,
    "idle 30 d": window(30),
    "idle 90 d": window(90),
    "idle 180 d": window(180),
    "quarterly review": review,
}


@dataclass(slots=True)
class Life:
    """One entitlement under a rule: when it stood (start, end), and the uses that were refused."""

    stood: list[tuple[int, int]]
    refused: set[int]
    gone: bool


def live(grant: Grant, rule: Rule, end: int) -> Life:
    """Walk through the uses of one entitlement."""
    life, since, last, back = Life([], set(), gone=False), grant.granted, grant.granted, NEVER
    out = False
    for use in grant.uses:
        if out and back <= use.at:
            since = last = back
            out, back = False, NEVER
        if not out and rule(last) <= use.at:
            life.stood.append((since, rule(last)))
            out = True
        if use.at >= grant.ends or out:
            life.refused.add(use.seq)
            back = next_working(use.at) if out and not use.thief and back == NEVER else back
        else:
            last = use.at
    if out and back <= end:
        since, last, out = back, back, False
    if not out:
        life.stood.append((since, min(rule(last), grant.ends)))
    life.gone = out or rule(last) <= end
    return life


def compared(world: World, rule: Rule) -> dict[str, Any]:
    """What a rule would have withdrawn, which tasks had failed, and what had stood on each day (weight)."""
    lives = {key: live(grant, rule, world.end) for key, grant in world.grants.items()}
    refused = {seq for life in lives.values() for seq in life.refused}
    failed = {
        use.run
        for use in world.uses
        if use.seq in refused and not use.thief and world.grants[use.key].tier != "critical"
    }
    judged = [
        (grant, lives[key].gone)
        for key, grant in world.grants.items()
        if (by := due(grant)) and by <= world.end and not grant.ended and not any(use.thief for use in grant.uses)
    ]
    got = {use.key for use in world.uses if use.thief and use.seq not in refused and use.key in world.grants}
    return {
        **shares(judged), "failed": len(failed), "direct": _direct(world, lives),
        "thieves_got": sum(WEIGHT[world.grants[key].tier] for key in got),
    }  # fmt: skip


def _direct(world: World, lives: dict[tuple[str, str, str], Life]) -> list[int]:
    """The weight that stood at the end of each day."""
    steps = [0] * (day_of(world.end) - day_of(world.first) + 1)
    for key, life in lives.items():
        grant = world.grants[key]
        for start, end in life.stood:
            steps[day_of(start)] += WEIGHT[grant.tier]
            steps[min(day_of(max(start, min(end, grant.ends, world.end))), len(steps) - 1)] -= WEIGHT[grant.tier]
    sums, standing = [], 0
    for step in steps[:-1]:
        standing += step
        sums.append(standing)
    return sums
