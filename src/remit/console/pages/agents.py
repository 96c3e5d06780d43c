"""All agents, and what may be done to one of them at once."""

from __future__ import annotations

from typing import Any

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.kernel.clock import rfc3339
from remit.policy.view import AgentRecord

_COLUMNS = (
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="owner", title="Owner", link=f"{PATH}/agents?q={{owner}}"),
    Column(name="purposes", title="Purposes", kind="tags"),
    Column(name="state", title="State", kind="state"),
    Column(name="risk", title="Risk", kind="percent", hint="0: nothing known against it; from 70 % it is at risk"),
    Column(name="version", title="Version", kind="code"),
    Column(name="bound", title="Bound to", hint="how its tokens are bound to a key"),
    Column(name="ends", title="Ends", kind="time"),
)
_MILLIONTH = 10_000  # of one percent


def fill(look: Look) -> Filled:
    """Every agent: from memory, so that a hundred thousand are listed as quickly as ten."""
    look.get("/v1/freezes")  # who may not read learns nothing here either
    frozen = {name for kind, name in look.view.freezes if kind == "agent"}
    rows = [_row(record, frozen) for record in look.view.agents.values()]
    table = Table(
        name="agents", title="Agents", columns=_COLUMNS, rows=rows, sort="agent", empty="No agents yet.",
        command="remit apply DIR",
    )  # fmt: skip
    return Filled(title="Agents", tables=(table,))


def _row(record: AgentRecord, frozen: set[str]) -> dict[str, Any]:
    agent = record.agent
    return {
        "agent": agent.agent,
        "owner": agent.owner,
        "purposes": list(agent.purposes),
        "state": "frozen" if agent.agent in frozen else agent.state.value,
        "risk": record.risk.value / _MILLIONTH,
        "version": agent.version,
        "bound": agent.sender_constraint.value,
        "ends": rfc3339(agent.not_after),
    }


PAGE = Page(path="/agents", slug="agents", template="agents.html", fill=fill)
