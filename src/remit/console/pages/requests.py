"""What agents ask people for: one very call, that may pass once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.console.desk import Look
from remit.console.pages.model import Act, Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

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
_ARGUMENTS = (Column(name="name", title="Argument", kind="code"), Column(name="value", title="Value", kind="code"))


def fill(look: Look) -> Filled:
    """The newest, whatever became of them."""
    rows = [
        {column.name: each.get(column.name) for column in _COLUMNS} for each in look.get("/v1/approvals")["requests"]
    ]
    table = Table(
        name="requests", title="Access requests", columns=_COLUMNS, rows=rows, empty="No agent has asked for anything.",
        command="remit approval ask AGENT ACTION --arg NAME=VALUE",
    )  # fmt: skip
    return Filled(title="Requests", tables=(table,))


def request(look: Look) -> Filled:
    """One of them, with the arguments that a yes would be bound to."""
    found = look.get(f"/v1/approvals/{look.path['request']}")
    arguments: Any = found.get("arguments")
    rows = (
        [{"name": name, "value": str(value)} for name, value in arguments.items()]
        if isinstance(arguments, dict)
        else []
    )
    table = Table(
        name="arguments", title="The very arguments", columns=_ARGUMENTS, rows=rows,
        empty="You may not see them, or there are none.",
    )  # fmt: skip
    return Filled(title=f"{found['agent']} asks for {found['action']}", tables=(table,), values={"it": found})


def approve(look: Look, form: Mapping[str, str]) -> str:
    """Say yes to this very call."""
    said = look.act("POST", f"/v1/approvals/{look.path['request']}/approve", _noted(form))
    return (
        "Approved: the very call passes once, for 15 minutes."
        if said["state"] == "approved"
        else "Your yes counts; another is needed."
    )


def deny(look: Look, form: Mapping[str, str]) -> str:
    """Say no."""
    look.act("POST", f"/v1/approvals/{look.path['request']}/deny", _noted(form))
    return "Denied."


def _noted(form: Mapping[str, str]) -> dict[str, str]:
    return {"note": form["note"]} if form.get("note") else {}


PAGE = Page(path="/requests", slug="requests", template="plain.html", fill=fill)
REQUEST = Page(
    path="/requests/{request}", slug="requests", template="request.html", fill=request,
    acts=(Act(name="approve", carry=approve), Act(name="deny", carry=deny)),
)  # fmt: skip
