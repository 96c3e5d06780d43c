"""`remit discover`: which MCP servers the desktop agents of this host have, and whether Remit stands before them."""

from __future__ import annotations

import json as json_module
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import Json, examples
from remit.cli.output import complain, data_json, foreign, nothing, table, talk
from remit.server.settings import data_directory

_NAME = re.compile(r"[a-z0-9-]{1,63}\Z")  # of a server


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("discover", epilog=examples("remit discover", "remit discover --project ~/work --json"))(discover)


def discover(
    project: Annotated[
        Path | None, typer.Option("--project", metavar="DIR", help="A project whose files are read too. [this folder]")
    ] = None,
    json: Json = False,
) -> int:
    """Find MCP servers that desktop agents on this host use, and those that pass Remit by.

    Reads the files of Claude Code, Codex, Gemini CLI, Cursor, VS Code, Claude Desktop, Goose and Copilot. Secrets in
    them are named by their key and never shown. Exits 9 if a server does not pass through Remit.
    """
    found = on_this_host((project or Path.cwd()).absolute())
    if json:
        data_json(found)
    else:
        _show(found)
    return Exit.OK if not found["outside"] and not found["unreadable"] else Exit.DIFFERS


def on_this_host(project: Path) -> dict[str, Any]:
    """Every configured server, as `--json` has it."""
    from remit.catalog.command import secretish  # noqa: PLC0415 - loaded for this command only
    from remit.runner.configured import reading  # noqa: PLC0415 - as above
    from remit.runner.configured.json_text import Unreadable  # noqa: PLC0415 - as above
    from remit.runner.configured.places import CLIENTS, places  # noqa: PLC0415 - as above

    rows: list[dict[str, Any]] = []
    unreadable: list[dict[str, str]] = []
    bases = _bases()
    for place in places(Path.home(), project, os.environ, sys.platform):
        try:
            entries = reading.entries(place, secretish)
        except Unreadable as error:
            unreadable.append({"client": place.client, "file": str(place.path), "detail": str(error)[:200]})
            continue
        for each in entries:
            row = {
                "client": place.client, "file": str(place.path), "scope": place.scope, "name": each.name,
                "reached_by": reading.shown(each, secretish), "enabled": each.enabled,
                "through_remit": reading.through(each, bases), "secrets": list(each.secrets),
            }  # fmt: skip
            if not row["through_remit"]:
                row["try"] = _try(place.client, place.scope, each.name, known=place.client in CLIENTS)
            rows.append(row)
    outside = sum(row["enabled"] and not row["through_remit"] for row in rows)
    return {"servers": rows, "outside": outside, "unreadable": unreadable}


def _try(client: str, scope: str, name: str, *, known: bool) -> str:
    # The name stands in somebody's file: it is typed by whoever copies this.
    server = name if _NAME.match(name) else "SERVER"
    if not known or scope == "local":
        run = f"remit mcp stdio --agent AGENT --server {server}"
        return f"register it (servers/{server}.yaml), and have the client run: {run}"
    more = "" if server == name else f" --name {shlex.quote(name)}"
    project = " --project" if scope == "project" else ""
    return f"remit mcp install {client} --agent AGENT --server {server}{more} --replace{project}"


def _bases() -> list[str]:
    """The URLs of the Remit of this host, and of the one that the environment names."""
    found = [os.environ.get("REMIT_URL", "").rstrip("/")]
    try:
        said = json_module.loads((data_directory(os.environ) / "instance.json").read_text(encoding="utf-8"))
        found.append(str(said["url"]).rstrip("/"))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none runs here
    return [each for each in found if each]


def _show(found: dict[str, Any]) -> None:
    if not found["servers"]:
        nothing("MCP servers of desktop agents", next_="remit mcp install CLIENT --agent AGENT --server SERVER")
    else:
        columns = ("client", "name", "through Remit", "reached by", "secrets", "file")
        table(columns, [_row(row) for row in found["servers"]])
    for row in found["unreadable"]:
        complain(f"{row['file']} cannot be read", because=row["detail"])
    for row in found["servers"]:
        if row["enabled"] and not row["through_remit"]:
            talk(f"no enforcement point stands before {foreign(row['name'])} of {row['client']}")
            talk(f"  try      {foreign(row['try'])}")


def _row(row: dict[str, Any]) -> list[object]:
    state = "yes" if row["through_remit"] else "no" if row["enabled"] else "no (off)"
    return [row["client"], row["name"], state, row["reached_by"], row["secrets"], row["file"]]
