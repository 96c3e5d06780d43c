"""The whole log: what it is asked for, the newest first, page by page; and the checkpoints that were signed over it."""

from __future__ import annotations

from typing import Any, Final

from remit.audit.entry import KINDS
from remit.audit.terms import FIELDS
from remit.console.desk import Look
from remit.console.entries import line
from remit.console.pages.model import Filled, Page
from remit.console.paths import PATH
from remit.console.proof import continues
from remit.console.tables import ROWS, Column, Table
from remit.kernel.errors import Malformed, NotFound

_COLUMNS = (
    Column(name="time", title="Time", kind="time"),
    Column(name="kind", title="Kind"),
    Column(name="agent", title="Agent", kind="code", link=f"{PATH}/agents/{{agent}}"),
    Column(name="action", title="About", kind="code"),
    Column(name="word", title="Answer"),
    Column(name="index", title="Index", kind="number"),
    Column(name="id", title="Entry", kind="code", link=f"{PATH}/log/{{id}}"),
)
_CHECKPOINTS = (
    Column(name="signed", title="Signed", kind="time"),
    Column(name="size", title="Entries", kind="number"),
    Column(name="root", title="Root", kind="code", hint="SHA-256 over all entries, as a Merkle tree (RFC 9162)"),
)
_AS_A_FILE: Final = "1000"
_OPTIONS: Final = frozenset(
    {"agent", "action", "server", "kind", "answer", "code", "person", "run", "secret", "from", "to", "text"}
)  # of the command; all else it is asked for by `--where`
_ASKED: Final = (*FIELDS, "text", "from", "to", "before")


def fill(look: Look) -> Filled:
    """The entries that answer, from the newest on or from `before` on."""
    asked = {name: look.query[name] for name in _ASKED if look.query.get(name)}
    wrong = ""
    found: dict[str, Any] = {"entries": [], "next": None}
    try:
        limit = _AS_A_FILE if look.query.get("format") else str(ROWS)
        found = dict(look.get("/v1/decisions", **{**asked, "limit": limit}))
    except (Malformed, NotFound) as error:
        wrong = error.public
    rows = [line(each, each.get("index")) for each in found["entries"]]
    filters = {name: value for name, value in asked.items() if name != "before"}
    table = Table(
        name="entries", title="Entries", columns=_COLUMNS, rows=rows,
        empty="No entry answers." if asked else "Nothing is recorded yet.",
        command=command("find", filters) if asked else "remit can AGENT ACTION",
    )  # fmt: skip
    values = {
        "asked": asked, "filters": filters, "wrong": wrong, "next": found["next"], "kinds": sorted(KINDS),
        "command": command("find", filters), "evidence": command("evidence", filters) + " --out evidence.json",
    }  # fmt: skip
    return Filled(title="Log", tables=(table,), values=values)


def command(verb: str, filters: dict[str, str]) -> str:
    """The command that asks the same; what a shell would read as its own is quoted."""
    words = [
        f"--{name} {quoted(value)}" if name in _OPTIONS else f"--where {name}={quoted(value)}"
        for name, value in filters.items()
    ]
    return " ".join(("remit audit", verb, *words))


def quoted(value: str) -> str:
    """One word for a POSIX shell."""
    if value and all(each.isascii() and (each.isalnum() or each in "_-./:@") for each in value) and value[0] != "-":
        return value
    return "'" + value.replace("'", "'\\''") + "'"


def checkpoints(look: Look) -> Filled:
    """What was signed, and that the newest continues an earlier one."""
    found = look.get("/v1/checkpoints", limit="500")
    rows: list[dict[str, Any]] = [dict(each) for each in found["checkpoints"]]
    table = Table(
        name="checkpoints", title="Checkpoints", columns=_CHECKPOINTS, rows=rows,
        empty="Nothing was signed yet.", command="remit audit checkpoint",
    )  # fmt: skip
    sizes = [each["size"] for each in rows]
    old = _chosen(look.query.get("old", ""), sizes, sizes[-1] if sizes else 0)
    new = _chosen(look.query.get("new", ""), sizes, sizes[0] if sizes else 0)
    values: dict[str, Any] = {"key": found["key"], "sizes": sizes, "old": old, "new": new, "shown": None, "proof": ()}
    values["newest"] = rows[0]["checkpoint"] if rows else ""
    if 0 < old <= new:
        said = look.get("/v1/checkpoints/consistency", old=str(old), new=str(new))
        values |= {"shown": continues(said), "proof": said["proof"]}
    return Filled(title="Checkpoints", tables=(table,), values=values)


def _chosen(said: str, sizes: list[int], default: int) -> int:
    return next((each for each in sizes if str(each) == said), default)


PAGE = Page(path="/log", slug="log", template="log.html", fill=fill)
CHECKPOINTS = Page(path="/log/checkpoints", slug="log", template="checkpoints.html", fill=checkpoints)
