"""The log: its newest entries, one entry with why, and what proves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remit.console.desk import Look
from remit.console.entries import line
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.tables import Column, Table
from remit.kernel.errors import NotFound

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
    if name.startswith("ver_"):
        return Filled(title=name, values={"entry": look.get(f"/v1/verdicts/{name}"), "decision": None})
    if not name.startswith("dec_"):
        return Filled(title=name, values={"entry": _among_the_newest(look, name), "decision": None})
    found = look.get(f"/v1/decisions/{name}")
    table = Table(name="path", title="Steps", columns=_PATH, rows=list(found["path"]), empty="No steps were recorded.")
    return Filled(title=name, tables=(table,), values={"decision": found, "entry": found["header"]})


def _among_the_newest(look: Look, name: str) -> Mapping[str, Any]:
    """An entry of any other kind, as it stands in the log."""
    entries: Sequence[Mapping[str, Any]] = look.get("/v1/decisions", limit=_NEWEST)["entries"]
    found = next((each for each in entries if each["id"] == name), None)
    if found is None:
        raise NotFound("no such entry is among the newest thousand", detail=name[:80], try_="remit audit export")
    return found


PAGE = Page(path="/log", slug="log", template="plain.html", fill=fill)
ENTRY = Page(path="/log/{id}", slug="log", template="entry.html", fill=entry)
