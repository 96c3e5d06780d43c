"""Whether the sums that an engine tells for each day follow from the changes that it tells.

What it may count where is not always certain (an entitlement that nobody has used yet may be in force or not), so
each sum is held between the least and the most that the changes allow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.history.catalog import WEIGHT
from benchmarks.history.days import date, day_of, moment
from benchmarks.history.reading import Grant, Output, World, usable

_NEVER = 1 << 62


@dataclass(slots=True)
class Bound:
    """What a day's sums may be, of all or of one agent; weights, and counts of what is direct."""

    least: int = 0
    most: int = 0
    count_least: int = 0
    count_most: int = 0
    latent_least: int = 0
    granted: int = 0


def wrong_sums(world: World, output: Output) -> Iterator[str]:
    """(7) Each day is told, and its sums lie between the least and the most that the changes allow."""
    bounds = _bounds(world, output)
    for day in range(day_of(world.first), day_of(world.end)):
        row = output.series.get(date(day).isoformat())
        if row is None:
            yield f"the series lacks {date(day)}"
            continue
        bound = bounds.get(("", day), Bound())
        if not bound.count_least <= row["direct_count"] <= bound.count_most:
            yield f"{row['direct_count']} are direct on {date(day)}, which the changes do not allow"
        yield from _within("all", bound, row, day)
    none = {"direct": 0, "latent": 0}
    for (agent, day), bound in bounds.items():
        if agent and date(day).isoformat() in output.series:
            yield from _within(agent, bound, output.series[date(day).isoformat()]["agents"].get(agent, none), day)


def _within(who: str, bound: Bound, row: dict[str, Any], day: int) -> Iterator[str]:
    if not bound.least <= row["direct"] <= bound.most:
        yield f"direct of {who} on {date(day)} is {row['direct']}, not between {bound.least} and {bound.most}"
    if row["latent"] < bound.latent_least:
        yield f"latent of {who} on {date(day)} is {row['latent']}, and at least {bound.latent_least} could come back"
    if row["direct"] + row["latent"] + row.get("person", 0) > bound.granted:
        yield f"more is told of {who} on {date(day)} than was granted"


def _bounds(world: World, output: Output) -> dict[tuple[str, int], Bound]:
    """By agent ("" for all) and day."""
    found: dict[tuple[str, int], Bound] = defaultdict(Bound)
    end = day_of(world.end)
    for grant in world.grants.values():
        weight, sure_from = WEIGHT[grant.tier], _surely_in_force(output, grant)
        back_from = _surely_latent(world, output, grant)
        for day in range(day_of(grant.granted), min(end, day_of(min(grant.ends, world.end)) + 1)):
            seen = _states(output, grant, day)
            each = [usable(state, grant.tier) for state in seen]
            whole = grant.ends > moment(day + 1)
            always = whole and all(each) and sure_from <= moment(day)
            latent = whole and seen == ["lapsed"] and back_from <= moment(day)
            for bound in (found["", day], found[grant.key[0], day]):
                bound.least += weight * always
                bound.most += weight * any(each)
                bound.count_least += always
                bound.count_most += any(each)
                bound.latent_least += weight * latent
                bound.granted += weight
    return found


def _surely_in_force(output: Output, grant: Grant) -> int:
    """From when it is surely more than granted: its first use or change. Each critical call may ask a person."""
    if grant.tier == "critical" and not grant.more.get("limited"):
        return _NEVER
    changes = output.changes.get(grant.key, [])
    used = next((use.at for use in grant.uses if use.seq not in output.refused), _NEVER)
    return min(used, changes[0].at if changes else _NEVER)


def _surely_latent(world: World, output: Output, grant: Grant) -> int:
    """From when nothing that the history tells keeps a lapsed one from coming back by itself."""
    agent = grant.key[0]
    if grant.tier == "critical" or world.signals[agent] or world.upgraded(agent):
        return _NEVER
    if grant.tier == "high":
        return next((use.at for use in grant.uses if use.seq not in output.refused), _NEVER)
    return grant.granted


def _states(output: Output, grant: Grant, day: int) -> list[str]:
    """The states in which it was during a day, and at its end."""
    start, after = moment(day), moment(day + 1)
    changes = output.changes.get(grant.key, [])
    return [output.before(grant.key, start), *(each.after for each in changes if start <= each.at <= after)]
