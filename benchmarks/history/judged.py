"""The two numbers with a floor: how much of what is unused was withdrawn, and which tasks failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from benchmarks.history.days import DAY
from benchmarks.history.reading import GONE, Grant, Output, World

_NEVER_USED = {"critical": 1, "high": 14, "medium": 30, "low": 30}  # days: design, before three uses
_LONGEST = {"critical": 1, "high": 14, "medium": 180, "low": 365}  # days: design, whatever its own gaps
_NEWBORN = 14  # days
_SWEEP = DAY  # the sweep that records it comes daily


def due(grant: Grant) -> int | None:
    """When it must be withdrawn at the latest for want of use; None for what is used, or not known to be over."""
    own = [use.at for use in grant.uses if not use.thief]
    if grant.label == "unused":
        since, days = grant.granted, _NEVER_USED[grant.tier]
    elif grant.label == "fading":
        since, days = own[-1], _LONGEST[grant.tier]
    else:
        return None
    days = min(days, int(grant.more.get("ttl_days", days)))
    declared = int(grant.more.get("cadence_days", 0)) * 3 * DAY // 2
    newborn = 0 if grant.tier == "critical" else grant.granted + _NEWBORN * DAY
    return max(since + max(days * DAY, declared), newborn) + _SWEEP


def withdrawn(world: World, output: Output) -> dict[str, Any]:
    """How much of what was due at the end is gone. What a thief used, and what a person ended, is told apart."""
    apart: Counter[str] = Counter()
    judged: list[tuple[Grant, bool]] = []
    for grant in world.grants.values():
        by = due(grant)
        gone = output.last(grant.key) in GONE
        if by is None:
            apart["used, and gone at the end" if gone else "used, and there at the end"] += 1
        elif grant.ended:
            apart["ended by a person"] += 1
        elif any(use.thief for use in grant.uses):
            apart["tried by a thief, and gone at the end" if gone else "tried by a thief, and there at the end"] += 1
        elif by > world.end:
            apart["not due at the end"] += 1
        else:
            judged.append((grant, gone))
    return {**shares(judged), "apart": dict(sorted(apart.items()))}


def shares(judged: list[tuple[Grant, bool]]) -> dict[str, Any]:
    """Counts of what was due and what of it is gone, in all and by label and tier."""
    parts: dict[str, list[int]] = {}
    for grant, gone in judged:
        for part in (grant.label, grant.tier):
            count = parts.setdefault(part, [0, 0])
            count[0] += 1
            count[1] += gone
    gone_in_all = sum(gone for _, gone in judged)
    share = gone_in_all / len(judged) if judged else 0.0
    by = {part: {"due": all_, "withdrawn": gone} for part, (all_, gone) in sorted(parts.items())}
    return {"due": len(judged), "withdrawn": gone_in_all, "share": share, "by": by}


@dataclass(slots=True)
class Failed:
    """Runs of the agents' own tasks in which a call was refused, by what was refused and when."""

    ordinary: set[str]
    signalled: set[str]
    critical: set[str]
    reasons: Counter[str]


def tasks(world: World, output: Output) -> dict[str, Any]:
    """Which tasks failed. Those stopped while a detector's signal was on, and a day after, are told apart.

    They are what containment costs; the rest, outside critical, must be none.
    """
    failed = Failed(set(), set(), set(), Counter())
    runs = {use.run for use in world.uses if not use.thief}
    for use in world.uses:
        row = output.refused.get(use.seq)
        if row is None or use.thief:
            continue
        if world.grants[use.key].tier == "critical":
            failed.critical.add(use.run)
        elif world.on(use.key[0], use.at, "anomaly", "critical", after=DAY):
            failed.signalled.add(use.run)
        else:
            failed.ordinary.add(use.run)
            failed.reasons[row["refusal"]] += 1
    return {
        "runs": len(runs), "failed": len(failed.ordinary), "refused_calls_by_reason": dict(failed.reasons),
        "stopped_while_signalled": len(failed.signalled - failed.ordinary),
        "critical_only": len(failed.critical - failed.ordinary - failed.signalled),
        "examples": sorted(failed.ordinary)[:10],
    }  # fmt: skip
