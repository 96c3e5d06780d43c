"""Before something is stopped: what that hits. After: whether it holds everywhere, as it comes to hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.console.desk import Look
from remit.console.hit import KINDS, hits, running
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.kernel.errors import NotFound

_HIT = (
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="owner", title="Owner", link=f"{PATH}/agents?owner={{owner}}"),
    Column(name="state", title="State", kind="state"),
)
_POINTS = (
    Column(name="point", title="Enforcement point", kind="code"),
    Column(name="state", title="State", kind="state"),
    Column(name="after_ms", title="After ms", kind="number", hint="milliseconds from the freeze to its confirmation"),
)
_CUT = (
    Column(name="decision", title="Decision", kind="code", link=f"{PATH}/log/{{decision}}"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="outcome", title="What became of it", kind="state"),
)


def fill(look: Look) -> Filled:
    """What a freeze would hit: agents, calls that run, points that would have to confirm it."""
    kind, name = look.query.get("kind", "all"), look.query.get("name", "")
    kind = kind if kind in KINDS else "all"
    now = look.get("/v1/now")
    named = kind == "all" or bool(name)
    found = hits(look.view, kind, name) if named else []
    rows = [{"agent": each.agent.agent, "owner": each.agent.owner, "state": each.agent.state.value} for each in found]
    table = Table(
        name="hit", title="Agents that it hits", columns=_HIT, rows=rows, sort="agent",
        empty="No agent that is registered may use it." if named else "Say what is to be stopped.",
        command="remit agent list",
    )  # fmt: skip
    standing = look.view.freezes.get((kind, "*" if kind == "all" else name))
    values: dict[str, Any] = {
        "kind": kind, "name": name, "kinds": KINDS, "named": named, "standing": standing, "agents": len(found),
        "running": running(now["running_calls"], look.view, kind, name) if named else 0, "points": now["points"],
        "connected": sum(each["connected"] for each in now["points"]),
    }  # fmt: skip
    what = KINDS[kind] if kind == "all" or not name else name
    return Filled(title=f"Stop {what}", tables=(table,), values=values)


def freeze(look: Look) -> Filled:
    """A freeze: who has confirmed it, what it cut, and how it ends."""
    name = look.path["id"]
    try:
        it: Mapping[str, Any] | None = look.get(f"/v1/freezes/{name}")
    except NotFound:
        if not name.startswith("frz_"):
            raise
        it = None  # one that ended: the log knows it
    points = [] if it is None else list(it["points"])
    tables = (
        Table(
            name="points", title="Enforcement points", columns=_POINTS, rows=points, empty="None.",
            command="remit pep add NAME",
        ),
        Table(
            name="cut", title="Calls that were cut", columns=_CUT, rows=[] if it is None else list(it["cut"]),
            empty="No call that it covers was running.", command="remit audit tail",
        ),
    )  # fmt: skip
    if it is None:
        return Filled(title="This freeze is over", values={"it": None, "id": name})
    confirmed = sum(each["state"] == "confirmed" for each in points)
    what = "everything" if it["kind"] == "all" else it["name"]
    return Filled(
        title=f"{'Everything' if it['kind'] == 'all' else what} is frozen", tables=tables,
        values={"it": it, "id": name, "confirmed": confirmed, "all": len(points),
            "person": look.session.operator.person},
    )  # fmt: skip


PAGE = Page(path="/stop", slug="stop", template="stop.html", fill=fill)
FREEZE = Page(path="/freezes/{id}", slug="stop", template="freeze.html", fill=freeze)
