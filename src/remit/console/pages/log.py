"""The log: its newest entries, one entry with why, and what proves it."""

from __future__ import annotations

from remit.console.desk import Look
from remit.console.page import line
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table

_COLUMNS = (
    Column(name="time", title="Time", kind="time"),
    Column(name="kind", title="Kind"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="About", kind="code"),
    Column(name="word", title="Answer"),
    Column(name="index", title="Index", kind="number"),
    Column(name="id", title="Entry", kind="code", link=f"{PATH}/log/{{id}}"),
)
_NEWEST = "1000"
_PATH = (
    Column(name="step", title="Step", kind="number"),
    Column(name="said", title="What came of it"),
)


def fill(look: Look) -> Filled:
    """The newest thousand entries."""
    entries = look.get("/v1/decisions", limit=_NEWEST)["entries"]
    rows = [line(each, each.get("index")) for each in entries]
    table = Table(
        name="entries", title="Newest entries", columns=_COLUMNS, rows=rows, empty="Nothing is recorded yet.",
        command="remit can AGENT ACTION",
    )  # fmt: skip
    return Filled(title="Log", tables=(table,))


def entry(look: Look) -> Filled:
    """One decision, with every step that led to it and what would change it."""
    name = look.path["id"]
    if not name.startswith("dec_"):
        found = look.get(f"/v1/verdicts/{name}")
        return Filled(title=name, values={"entry": found, "decision": None})
    found = look.get(f"/v1/decisions/{name}")
    table = Table(name="path", title="Steps", columns=_PATH, rows=list(found["path"]), empty="No steps were recorded.")
    return Filled(title=name, tables=(table,), values={"decision": found, "entry": found["header"]})


PAGE = Page(path="/log", slug="log", template="plain.html", fill=fill)
ENTRY = Page(path="/log/{id}", slug="log", template="entry.html", fill=entry)
