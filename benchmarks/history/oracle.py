"""Judge a simulation by the truth that the engine did not see; the exit code is 1 below a floor.

Takes the directory that `generate.py` wrote and the one that `remit certify simulate --out` wrote. Imports nothing of
Remit: it works the numbers out from the history, its labels and its thieves.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.history.consistency import broken
from benchmarks.history.days import date, day_of
from benchmarks.history.idle import RULES, compared
from benchmarks.history.judged import tasks, withdrawn
from benchmarks.history.reach import thieves
from benchmarks.history.reading import Output, Unreadable, World, output, world

FLOOR_WITHDRAWN = 0.95
FLOOR_FAILED = 0
_SHOWN = 20  # broken rules that are told one by one


def judge(history: Path, simulated: Path) -> dict[str, Any]:
    """Everything there is to say, as JSON. Raises Unreadable."""
    truth, said = world(history), output(simulated)
    wrong = list(itertools.islice(broken(truth, said), 1000))
    gone, failed = withdrawn(truth, said), tasks(truth, said)
    others = {name: compared(truth, rule) for name, rule in RULES.items()}
    floors = {
        "consistent": not wrong,
        "unused withdrawn": gone["due"] > 0 and gone["share"] >= FLOOR_WITHDRAWN,
        "failed tasks outside critical": failed["failed"] <= FLOOR_FAILED,
    }
    return {
        "ok": all(floors.values()), "floors": floors, "broken": wrong[:_SHOWN], "broken_count": len(wrong),
        "unused": gone, "tasks": failed, "thieves": thieves(truth, said),
        "reactivations": sum(each.by == "use" for changes in said.changes.values() for each in changes),
        "compared": {name: {part: each[part] for part in each if part != "direct"} for name, each in others.items()},
        "series": _days(truth, said, {name: each["direct"] for name, each in others.items()}),
    }  # fmt: skip


def _days(truth: World, said: Output, others: dict[str, list[int]]) -> list[dict[str, Any]]:
    """Privilege on each day: Remit's as its series says, the others' as it stood at the end of the day."""
    days = []
    for at in range(day_of(truth.end) - day_of(truth.first)):
        name = date(day_of(truth.first) + at).isoformat()
        row = said.series.get(name, {})
        remit = {part: row.get(part, 0) for part in ("direct", "latent", "person")}
        days.append({"day": name, **remit, **{other: direct[at] for other, direct in others.items()}})
    return days


def text(found: dict[str, Any]) -> str:
    """The same for a person."""
    unused, failed = found["unused"], found["tasks"]
    lines = [f"{'holds' if holds else 'BROKEN':<8} {name}" for name, holds in found["floors"].items()]
    lines += [f"         {each}" for each in found["broken"]]
    lines += [
        "",
        f"unused withdrawn  {unused['withdrawn']} of {unused['due']} ({100 * unused['share']:.1f} %, floor 95 %)",
        *(f"  {part:<16}{each['withdrawn']} of {each['due']}" for part, each in unused["by"].items()),
        *(f"  apart: {name} {count}" for name, count in unused["apart"].items()),
        f"tasks             {failed['runs']} runs, {failed['failed']} failed {failed['refused_calls_by_reason']}",
        f"  apart: stopped while a signal was on {failed['stopped_while_signalled']}",
        f"  apart: only a critical call was refused {failed['critical_only']}",
        f"reactivations     {found['reactivations']}",
        "",
        f"{'':<18}{'withdrawn':>10}{'failed tasks':>14}{'thieves got':>13}",
        f"{'Remit':<18}{100 * unused['share']:>9.1f}%{failed['failed']:>14}{_got(found):>13}",
    ]
    for name, each in found["compared"].items():
        lines.append(f"{name:<18}{100 * each['share']:>9.1f}%{each['failed']:>14}{each['thieves_got']:>13}")
    return "\n".join([*lines, *itertools.chain.from_iterable(map(_thief, found["thieves"]))])


def _got(found: dict[str, Any]) -> int:
    """What all thieves got by the end, as weight."""
    return sum(theft["reach"][-1]["direct"] + theft["reach"][-1]["latent"] for theft in found["thieves"])


def _thief(theft: dict[str, Any]) -> list[str]:
    """The weight that a thief had got after so many hours; a time at which nothing was added is left out."""
    head = f"{theft['thief']} thief as {theft['agent']} from {theft['day']}: granted {theft['granted']}, "
    head += f"{theft['tries']} tries, {theft['refused']} refused, {theft['outside_got']} of "
    head += f"{theft['outside_tried']} outside what is granted got"
    told = {(mark["direct"], mark["latent"], mark["without"]): mark["hours"] for mark in reversed(theft["reach"])}
    lines = (f"{hours:>8} h{direct:>9}{latent:>9}{without:>15}" for (direct, latent, without), hours in told.items())
    return ["", head, f"{'after':>10}{'direct':>9}{'latent':>9}{'without Remit':>15}", *reversed(list(lines))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path, help="the directory that generate.py wrote")
    parser.add_argument("simulated", type=Path, help="the directory that remit certify simulate wrote")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    chosen = parser.parse_args()
    try:
        found = judge(chosen.history, chosen.simulated)
    except Unreadable as wrong:
        print(json.dumps({"ok": False, "unreadable": str(wrong)}) if chosen.json else f"BROKEN   {wrong}")
        return 1
    print(json.dumps(found) if chosen.json else text(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
