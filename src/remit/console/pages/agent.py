"""One agent: who answers for it, what it may do and does, what is known against it."""

from __future__ import annotations

from typing import Any

from remit.console.desk import Look
from remit.console.graph import graph
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_ACCESS = (
    Column(name="action", title="Action", kind="code"),
    Column(name="purpose", title="Purpose"),
    Column(name="tier", title="Tier"),
    Column(name="state", title="State", kind="state"),
    Column(
        name="reach",
        title="Reach",
        hint="direct: usable now; latent: starts again without a person; person: takes its owner",
    ),
    Column(name="last_use", title="Last use", kind="time"),
    Column(name="days_of_use", title="Days of use", kind="number"),
    Column(name="reason", title="Why"),
    Column(name="boundary", title="Boundary", kind="code", link=f"{PATH}/policies/{{boundary}}"),
)
_BOUNDARIES = (
    Column(name="boundary", title="Boundary", kind="code", link=f"{PATH}/policies/{{boundary}}"),
    Column(name="version", title="Version", kind="number"),
    Column(name="purpose", title="Purpose"),
    Column(name="state", title="State", kind="state"),
    Column(name="approved_by", title="Approved by"),
    Column(name="approved_at", title="Approved", kind="time"),
    Column(name="not_after", title="Ends", kind="time"),
)
_SIGNALS = (
    Column(name="signal", title="Signal"),
    Column(name="about", title="About", kind="code"),
    Column(name="by", title="Noticed by"),
    Column(name="since", title="Since", kind="time"),
)
_VERDICTS = (
    Column(name="time", title="Time", kind="time"),
    Column(name="verdict", title="Verdict"),
    Column(name="action", title="Action", kind="code"),
    Column(name="from", title="From", kind="state"),
    Column(name="to", title="To", kind="state"),
    Column(name="id", title="Verdict id", kind="code", link=f"{PATH}/log/{{id}}"),
)


def fill(look: Look) -> Filled:
    """Everything about it that this person may read."""
    name = look.path["name"]
    agent = look.get(f"/v1/agents/{name}")
    activations = look.get("/v1/activations", agent=name)
    verdicts = list(look.get("/v1/verdicts", agent=name)["verdicts"])
    frozen = look.view.freezes.get(("agent", name))
    tables = (
        Table(
            name="access", title="Access", columns=_ACCESS, rows=list(activations["activations"]), sort="action",
            empty="It may do nothing yet: no boundary of it was approved.", command="remit boundary list",
        ),
        Table(
            name="boundaries", title="Boundaries", columns=_BOUNDARIES, rows=list(agent["boundaries"]),
            empty="No boundary names it.", command="remit apply DIR",
        ),
        Table(
            name="signals", title="Known against it", columns=_SIGNALS,
            rows=list(look.get(f"/v1/agents/{name}/signals")["signals"]), empty="Nothing is known against it.",
        ),
        Table(
            name="verdicts", title="Verdicts", columns=_VERDICTS, rows=verdicts,
            sort="-time", empty="Nothing was decided about its access yet.",
        ),
    )  # fmt: skip
    values: dict[str, Any] = {
        "agent": agent, "privilege": activations["privilege"], "frozen": None if frozen is None else frozen.by,
        "series": list(look.get("/v1/posture/series", agent=name, days="90")["series"]),
    }  # fmt: skip
    return Filled(
        title=name,
        tables=tables,
        values=values,
        data={"creep": creep(values["series"]), "graph": graph(name, activations["activations"])},
    )


def creep(series: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The curves of granted, direct, latent and used, day by day."""
    return {
        "day": [row["day"] for row in series],
        "granted": [row["granted"] for row in series],
        "direct": [row["direct"]["count"] for row in series],
        "latent": [row["latent"]["count"] for row in series],
        "used": [row["used"] for row in series],
    }


PAGE = Page(path="/agents/{name}", slug="agents", template="agent.html", fill=fill)
