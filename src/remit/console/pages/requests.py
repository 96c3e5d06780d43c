"""What agents ask people for: one very call, that may pass once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from remit.console.desk import Look
from remit.console.pages import words
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.rules import against
from remit.console.tables import Column, Table
from remit.kernel.clock import rfc3339
from remit.kernel.errors import NotFound

_COLUMNS = (
    Column(name="request", title="Request", kind="code", link=f"{PATH}/requests/{{request}}"),
    Column(name="state", title="State", kind="state"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="purpose", title="Purpose"),
    Column(name="asked", title="Asked", kind="time"),
    Column(name="open_until", title="Open until", kind="time"),
    Column(name="decided_by", title="Decided by"),
)
_ARGUMENTS = (
    Column(name="name", title="Argument", kind="code"),
    Column(name="value", title="Would be sent", kind="code"),
    Column(name="was", title="Last time", kind="code", hint="in the last call of this action that was allowed"),
    Column(name="differs", title="That is", kind="state"),
    Column(name="allowed", title="The boundary allows"),
)
_WAITING: Final = frozenset({"pending", "open"})
LASTING: Final = ("15m", "5m", "1m")  # how long a yes may wait to be used: 15 minutes at the most
_MOST: Final = "1000"
_TIERS: Final = {
    "critical": "It can give rights, move money or delete, and may not be undone.",
    "high": "It writes what is sensitive.", "medium": "It writes.", "low": "It reads.",
}  # fmt: skip


def fill(look: Look) -> Filled:
    """What waits first, then the newest, whatever became of them."""
    found = look.get("/v1/approvals", limit=_MOST)["requests"]
    ordered = sorted(found, key=lambda each: each["state"] not in _WAITING)
    rows = [{column.name: each.get(column.name) for column in _COLUMNS} for each in ordered]
    table = Table(
        name="requests", title="Access requests", columns=_COLUMNS, rows=rows, empty="No agent has asked for anything.",
        command="remit approval ask AGENT ACTION --arg NAME=VALUE",
    )  # fmt: skip
    waiting = sum(each["state"] in _WAITING for each in found)
    return Filled(title="Requests", tables=(table, words.table(look)), values={"waiting": waiting})


def request(look: Look) -> Filled:
    """One of them: what a yes would be bound to, beside what passed before and what its boundary allows."""
    found = look.get(f"/v1/approvals/{look.path['request']}")
    arguments = said_in(found.get("arguments"))
    boundary, rule = _rule(look, found)
    last, before = _last(look, found)
    table = Table(
        name="arguments", title="The very arguments", columns=_ARGUMENTS,
        rows=[] if arguments is None else against(arguments, rule, before),
        empty="You may not see them, or there are none.", command=f"remit approval show {found['request']}",
    )  # fmt: skip
    person = look.session.operator.person
    values = {
        "it": found, "boundary": boundary, "rule": rule, "last": last, "lasting": LASTING,
        "left": max(0, found["quorum"] - len(found["yes"])), "person": person,
        "alike": alike(look.get("/v1/approvals", limit=_MOST)["requests"], found, person, day=rfc3339(look.now)[:10]),
        "tier": _tier(look, str(found["action"])),
    }  # fmt: skip
    values["blast"] = _TIERS.get(values["tier"], "What it does is not known, so it counts as high.")
    return Filled(title=f"{found['agent']} asks for {found['action']}", tables=(table,), values=values)


def said_in(text: object) -> dict[str, Any] | None:
    """The arguments as the API says them, numbers exactly as they stand; None where they are not said (pure)."""
    if not isinstance(text, str):
        return None
    found = json.loads(text, parse_float=str, parse_int=str)
    return found if isinstance(found, dict) else None


def alike(requests: Iterable[Mapping[str, Any]], one: Mapping[str, Any], person: str, *, day: str) -> dict[str, int]:
    """How often this person said yes on that day: to anything, and to the same action of the same agent (pure)."""
    mine = [
        each for each in requests
        if person in each["yes"] and str(each["decided"] or "")[:10] == day and each["request"] != one["request"]
    ]  # fmt: skip
    same = [each for each in mine if (each["agent"], each["action"]) == (one["agent"], one["action"])]
    return {"all": len(mine), "same": len(same)}


def _rule(look: Look, found: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """The boundary in force that the call is within, and what it says of the action."""
    for each in look.get(f"/v1/agents/{found['agent']}")["boundaries"]:
        if each["state"] != "active" or each["purpose"] != found["purpose"]:
            continue
        for version in look.get(f"/v1/boundaries/{each['boundary']}")["versions"]:
            rules = version["rules"] if version["state"] == "active" else ()
            if rule := next((rule for rule in rules if rule["action"] == found["action"]), None):
                return str(each["boundary"]), rule
    return "", None


def _last(look: Look, found: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The last call of the action that was allowed, and its arguments, as far as this person may read them."""
    said = look.maybe("/v1/decisions", agent=found["agent"], kind="decision", limit=_MOST)
    for entry in (said or {"entries": ()})["entries"]:
        if entry.get("answer") == "allow" and entry.get("action") == found["action"]:
            whole = look.maybe(f"/v1/decisions/{entry['id']}")
            arguments = (whole or {}).get("arguments")
            return entry, arguments if isinstance(arguments, dict) else None
    return None, None


def _tier(look: Look, action: str) -> str:
    """The risk tier of a tool, from the catalog."""
    server, slash, name = action.partition("/")
    if not slash:
        return ""
    try:
        tools = (look.maybe(f"/v1/servers/{server}") or {"tools": ()})["tools"]
    except NotFound:
        return ""
    return next((str(each.get("tier", "")) for each in tools if each.get("name", each.get("tool")) == name), "")


def approve(look: Look, form: Mapping[str, str]) -> str:
    """Say yes to this very call."""
    lasts = form.get("for", LASTING[0])
    said = look.act("POST", f"/v1/approvals/{look.path['request']}/approve", {**_noted(form), "for": lasts})
    return (
        f"Approved: the very call passes once, within {lasts}."
        if said["state"] == "approved"
        else "Your yes counts; another is needed."
    )


def deny(look: Look, form: Mapping[str, str]) -> str:
    """Say no."""
    look.act("POST", f"/v1/approvals/{look.path['request']}/deny", _noted(form))
    return "Denied."


def _noted(form: Mapping[str, str]) -> dict[str, str]:
    return {"note": form["note"]} if form.get("note") else {}


PAGE = Page(path="/requests", slug="requests", template="requests.html", fill=fill, acts=(words.TAKE_BACK,))
REQUEST = Page(
    path="/requests/{request}", slug="requests", template="request.html", fill=request,
    acts=(Act(name="approve", carry=approve), Act(name="deny", carry=deny)),
)  # fmt: skip
