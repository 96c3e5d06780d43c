"""All agents, and what may be done to one of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page
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


def freeze(look: Look, form: Mapping[str, str]) -> str:
    """Stop it: nothing it asks passes any more, what runs is cut."""
    name, reason = form.get("name", ""), form.get("reason", "") or "from the console"
    said = look.act("POST", "/v1/freezes", {"kind": form.get("kind", "agent"), "name": name, "reason": reason})
    cut = said.get("cut_count", len(said.get("cut", ())))
    contained = (
        "every enforcement point has confirmed" if said.get("contained") else "not every point has confirmed yet"
    )
    return f"{name or 'Everything'} is frozen: {cut} running calls were cut, {contained}."


def unfreeze(look: Look, form: Mapping[str, str]) -> str:
    """Let it go on."""
    kind, name = form.get("kind", "agent"), form.get("name", "")
    said = look.act("DELETE", f"/v1/freezes/{kind}/{name}")
    return f"{name} waits for a second person." if said.get("waits") else f"{name} is not frozen any more."


FREEZES = (Act(name="freeze", carry=freeze), Act(name="unfreeze", carry=unfreeze))
PAGE = Page(path="/agents", slug="agents", template="agents.html", fill=fill, acts=FREEZES)
