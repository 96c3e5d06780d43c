"""What agents ask people for: one call that may pass once."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_COLUMNS = (
    Column(name="request", title="Request", kind="code", link=f"{PATH}/requests/{{request}}"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="Action", kind="code"),
    Column(name="state", title="State", kind="state"),
    Column(name="asked", title="Asked", kind="time"),
    Column(name="until", title="Until", kind="time"),
)


def fill(look: Look) -> Filled:
    """The newest, whatever became of them."""
    names = [column.name for column in _COLUMNS]
    rows = [{name: each.get(name) for name in names} for each in look.get("/v1/approvals")["requests"]]
    table = Table(
        name="requests", title="Access requests", columns=_COLUMNS, rows=rows, empty="No agent has asked for anything.",
        command="remit approval ask AGENT ACTION --arg NAME=VALUE",
    )  # fmt: skip
    return Filled(title="Requests", tables=(table,))


PAGE = Page(path="/requests", slug="requests", template="plain.html", fill=fill)
