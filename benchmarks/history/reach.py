"""How far each thief came over time, with Remit and without: what its tries got, directly or by a reactivation."""

from __future__ import annotations

from typing import Any

from benchmarks.history.catalog import WEIGHT
from benchmarks.history.days import DAY, HOUR, date, day_of
from benchmarks.history.reading import Grant, Output, Use, World, usable

_MARKS = (*(HOUR * hours for hours in (1, 2, 3, 6, 12)), *(DAY * days for days in (1, 2, 3, 5, 7, 10, 14, 30, 60, 90)))


def thieves(world: World, output: Output) -> list[dict[str, Any]]:
    """Each stolen agent, in the order of names."""
    stolen: dict[tuple[str, str], list[Use]] = {}
    for use in world.uses:
        if use.thief:
            stolen.setdefault((use.thief, use.key[0]), []).append(use)
    return [_theft(world, output, thief, agent, tried) for (thief, agent), tried in sorted(stolen.items())]


def _theft(world: World, output: Output, thief: str, agent: str, tried: list[Use]) -> dict[str, Any]:
    since = tried[0].at
    held = [grant for key, grant in world.grants.items() if key[0] == agent and grant.granted <= since < grant.ends]
    marks = [mark for mark in _MARKS if since + mark < world.end] + [world.end - since]
    outside = [use for use in tried if use.key not in world.grants]
    return {
        "thief": thief, "agent": agent, "day": date(day_of(since)).isoformat(),
        "granted": sum(WEIGHT[grant.tier] for grant in held), "granted_count": len(held),
        "tries": len(tried), "refused": sum(use.seq in output.refused for use in tried),
        "outside_tried": len(outside), "outside_got": sum(use.seq not in output.refused for use in outside),
        "reach": [_mark(world, output, tried, since=since, mark=mark) for mark in marks],
        "held": _held(output, agent, day_of(since), day_of(world.end)),
    }  # fmt: skip


def _mark(world: World, output: Output, tried: list[Use], *, since: int, mark: int) -> dict[str, Any]:
    """Up to `mark` after the theft: the weight of each entitlement got, by how it was first got."""
    first: dict[tuple[str, str, str], str] = {}
    without: set[tuple[str, str, str]] = set()
    for use in tried:
        grant = world.grants.get(use.key)
        if use.at > since + mark or grant is None or use.at >= grant.ends:
            continue
        without.add(use.key)
        if use.seq not in output.refused:
            first.setdefault(use.key, _how(output, grant, use))
    weights = {"direct": 0, "latent": 0}
    for key, how in first.items():
        weights[how] += WEIGHT[world.grants[key].tier]
    return {
        "hours": mark // HOUR, **weights, "count": len(first),
        "without": sum(WEIGHT[world.grants[key].tier] for key in without), "without_count": len(without),
    }  # fmt: skip


def _how(output: Output, grant: Grant, use: Use) -> str:
    """Latent, if it took a reactivation at that moment."""
    here = output.during(use.key, use.at)
    began = any(each.by == "use" and not usable(each.before, grant.tier) for each in here)
    return "latent" if began else "direct"


def _held(output: Output, agent: str, first: int, end: int) -> list[dict[str, Any]]:
    """What the agent could do on each day from the one before the theft on, as the engine's series says."""
    found = []
    for day in range(first - 1, end):
        name = date(day).isoformat()
        row = output.series.get(name, {}).get("agents", {}).get(agent, {"direct": 0, "latent": 0})
        found.append({"day": name, "direct": row["direct"], "latent": row["latent"]})
    return found
