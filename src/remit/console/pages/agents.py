"""All agents, what each may and uses, and what may be done to one of them, or to all of an owner, at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from remit.agents.model import AgentState
from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.policy.view import View

_COLUMNS = (
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="owner", title="Owner", link=f"{PATH}/agents?owner={{owner}}"),
    Column(name="purposes", title="Purposes", kind="tags"),
    Column(name="state", title="State", kind="state"),
    Column(name="last_seen", title="Last seen", kind="time", hint="when a copy of it last got a token"),
    Column(name="risk", title="Risk", kind="percent", hint="0: nothing known against it; from 70 % it is at risk"),
    Column(name="granted", title="Granted", kind="number", hint="entitlements that its boundaries name"),
    Column(name="used", title="Used", kind="number", hint="of them within 90 days"),
    Column(name="over", title="Unused", kind="percent", hint="share of what is granted that is not used, by weight"),
    Column(name="review", title="Review due", kind="time", hint="of the question about it that ends first"),
    Column(name="not_after", title="Ends", kind="time"),
)
MILLIONTH: Final = 10_000  # of one percent
_ALL: Final = "1000000"


def fill(look: Look) -> Filled:
    """Every agent: from memory, so that a hundred thousand are listed as quickly as ten."""
    owner = look.query.get("owner", "")
    found = look.get("/v1/roster", limit=_ALL, **({"owner": owner} if owner else {}))
    due = reviews_due((look.maybe("/v1/reviews", all="true", limit="1000") or {"questions": ()})["questions"])
    rows = [row(each, due) for each in found["agents"]]
    if look.view.freezes:
        for each in rows:
            each["state"] = "frozen" if stopped(look.view, each["agent"], each["owner"]) else each["state"]
    table = Table(
        name="agents", title=f"Agents of {owner}" if owner else "Agents", columns=_COLUMNS, rows=rows, sort="agent",
        empty=f"{owner} has no agents." if owner else "No agents yet.", command="remit apply DIR",
    )  # fmt: skip
    frozen = {name: freeze for (kind, name), freeze in look.view.freezes.items() if kind == "agent"}
    values = {
        "owner": owner, "owner_known": owner in look.view.owners,
        "owner_frozen": look.view.freezes.get(("owner", owner)),
        "frozen": frozen, "day": found["day"],
    }  # fmt: skip
    return Filled(title="Agents", tables=(table,), values=values)


def row(each: Mapping[str, Any], due: Mapping[str, str]) -> dict[str, Any]:
    """One agent of the roster as the table lists it (pure)."""
    over = each["over_privilege_millionths"]
    return {
        **each,
        "risk": each["risk_millionths"] / MILLIONTH,
        "over": None if over is None else over / MILLIONTH,
        "review": due.get(each["agent"]),
    }


def standing(view: View) -> dict[str, int]:
    """How many agents there are in each state; a frozen one counts as that alone (pure)."""
    found, frozen = Counter(each.agent.state for each in view.agents.values()), list[AgentState]()
    if view.freezes:
        frozen = [each.agent.state for name, each in view.agents.items() if stopped(view, name, each.agent.owner)]
    found.subtract(frozen)
    said = {**{state.value: count for state, count in found.items()}, "frozen": len(frozen)}
    return {state: count for state, count in said.items() if count}


def stopped(view: View, agent: str, owner: str) -> bool:
    """Whether a freeze stops all that an agent does: its own, its owner's, or the one of everything (pure)."""
    return any(each in view.freezes for each in (("agent", agent), ("owner", owner), ("all", "*")))


def reviews_due(questions: list[Mapping[str, Any]]) -> dict[str, str]:
    """When the first open question about each agent ends by itself (pure)."""
    due: dict[str, str] = {}
    for each in questions:
        agent, ends = each.get("agent"), each.get("due")
        if agent and ends and (agent not in due or ends < due[agent]):
            due[agent] = ends
    return due


PAGE = Page(path="/agents", slug="agents", template="agents.html", fill=fill)
