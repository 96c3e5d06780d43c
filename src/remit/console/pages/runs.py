"""One stretch of work over all agents that took part: its calls, in the order in which they were decided."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.tables import Column, Table

_NEWEST = "1000"
_RUNS = (
    Column(name="run", title="Run", kind="code"),
    Column(name="agents", title="Agents", kind="tags"),
    Column(name="purpose", title="Purpose"),
    Column(name="calls", title="Calls", kind="number"),
    Column(name="refused", title="Refused", kind="number"),
    Column(name="first", title="First", kind="time"),
    Column(name="last", title="Last", kind="time"),
)


def fill(look: Look) -> Filled:
    """The runs of the newest thousand entries."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in look.get("/v1/decisions", limit=_NEWEST)["entries"]:
        if each["kind"] == "decision" and each.get("run"):
            found[each["run"]].append(each)
    rows = [
        {
            "run": run, "agents": sorted({each["agent"] for each in calls}), "purpose": calls[0].get("purpose", ""),
            "calls": len(calls), "refused": sum(each.get("decision") != "allow" for each in calls),
            "first": min(each["time"] for each in calls), "last": max(each["time"] for each in calls),
        }
        for run, calls in found.items()
    ]  # fmt: skip
    table = Table(name="runs", title="Runs", columns=_RUNS, rows=rows, sort="-last", empty="No agent has worked yet.",
                  command="remit run --agent NAME -- CMD")  # fmt: skip
    return Filled(title="Runs", tables=(table,))


PAGE = Page(path="/runs", slug="runs", template="plain.html", fill=fill)
