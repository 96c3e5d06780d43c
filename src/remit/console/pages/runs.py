"""Stretches of work: all of them, and one over all agents that took part, call by call."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.console.waterfall import fall, kind_of

_LISTED, _SHOWN, _AS_A_FILE = "200", "300", "1000"
_RUNS = (
    Column(name="run", title="Run", kind="code", link=f"{PATH}/runs/{{run}}"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="purpose", title="Purpose"),
    Column(name="state", title="State", kind="state"),
    Column(name="opened", title="Began", kind="time"),
    Column(name="ends", title="Ends", kind="time"),
    Column(name="calls", title="Calls", kind="number"),
    Column(name="denied", title="Refused", kind="number"),
    Column(name="above", title="Works under", kind="code", link=f"{PATH}/runs/{{above}}"),
)
_CALLS = (
    Column(name="time", title="Time", kind="time"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="ended", title="Answer", kind="state"),
    Column(name="code", title="Code"),
    Column(name="took", title="Took, ms", kind="number"),
    Column(name="decision", title="Decision", kind="code", link=f"{PATH}/log/{{decision}}"),
    Column(name="instance", title="Instance", kind="code"),
)


def fill(look: Look) -> Filled:
    """The newest runs."""
    query = {name: look.query[name] for name in ("agent", "before") if look.query.get(name)}
    rows = [dict(each) for each in look.get("/v1/runs", limit=_LISTED, **query)["runs"]]
    table = Table(name="runs", title="Runs", columns=_RUNS, rows=rows, sort="-opened", empty="No agent has worked yet.",
                  command="remit run --agent NAME -- CMD")  # fmt: skip
    older = rows[-1]["run"] if len(rows) == int(_LISTED) else None
    whole = all(each["whole"] for each in rows)
    return Filled(title="Runs", tables=(table,), values={"older": older, "whole": whole})


def run(look: Look) -> Filled:
    """One run, with those that work under it: who called what, when, and how long it took."""
    name = look.path["run"]
    query = {"before": look.query["before"]} if look.query.get("before", "").isdigit() else {}
    limit = _AS_A_FILE if look.query.get("format") else _SHOWN
    found = look.get(f"/v1/runs/{name}", limit=limit, **query)
    calls = list(found["calls"])
    rows = [
        {**each, "ended": kind_of(each),
         "took": None if each["took_microseconds"] is None else round(each["took_microseconds"] / 1000, 1)}
        for each in calls
    ]  # fmt: skip
    tables = (
        Table(name="calls", title="Calls", columns=_CALLS, rows=rows, sort="time", empty="It has called nothing yet.",
              command=f"remit audit find --run {name}"),
        Table(name="runs", title="Runs that belong to it", columns=_RUNS, rows=list(found["runs"]), sort="opened",
              empty="It is over for more than thirty days: the log has its calls.",
              command=f"remit audit find --run {name}"),
    )  # fmt: skip
    own = next((each for each in found["runs"] if each["run"] == name), None)
    values = {
        "own": own, "fall": fall(calls), "count": found["count"], "denied": found["denied"], "whole": found["whole"],
        "next": found["next"],
        "shown": len(calls), "cut": sum(kind_of(each) == "cut" for each in calls), "name": name,
        "later": bool(query), "lanes": len({(each["agent"], each["instance"]) for each in calls}),
    }  # fmt: skip
    return Filled(title=name, tables=tables, values=values)


PAGE = Page(path="/runs", slug="runs", template="runs.html", fill=fill)
RUN = Page(path="/runs/{run}", slug="runs", template="run.html", fill=run)
