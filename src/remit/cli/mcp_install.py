"""`remit mcp install` and `remit mcp uninstall`: entries in a desktop agent's own configuration."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import Json, examples
from remit.cli.output import data_json, data_text, talk
from remit.kernel.errors import Malformed
from remit.kernel.names import check_name

if TYPE_CHECKING:
    from remit.runner.configured.model import Place
    from remit.runner.configured.undoing import Undone

_LONGEST_NAME = 100
Client = Annotated[str, typer.Argument(metavar="CLIENT", help="claude-code, codex, gemini, cursor or vscode.")]
Project = Annotated[bool, typer.Option("--project", help="The file of the folder that this runs in, not the user's.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; show what would change.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "install",
        epilog=examples(
            "remit mcp install codex --agent desk --server files",
            "remit mcp install cursor --agent desk --server files --dry-run",
        ),
    )(install)
    app.command("uninstall", epilog=examples("remit mcp uninstall codex", "remit mcp uninstall cursor --dry-run"))(
        uninstall
    )


def install(
    client: Client,
    *,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent that the client is.")],
    server: Annotated[list[str], typer.Option("--server", metavar="NAME", help="An MCP server; may be repeated.")],
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="NAME", help="What it works for.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What the client calls it. [the server's name]")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="The server's data directory.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="In place of an entry that is not of Remit.")] = False,
    project: Project = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> int:
    """Have a desktop agent reach its MCP servers through Remit.

    Adds entries to the client's own configuration file that run `remit mcp stdio`. The rest of the
    file stays as it is, comments too; a copy of it as it was before each change is kept beside it. Doing it twice
    changes nothing.
    """
    from remit.runner.configured import editing  # noqa: PLC0415 - loaded for this command only

    if name is not None:
        _check_entry(name)
    if name is not None and len(server) > 1:
        raise Malformed("--name is for one server", try_="one command for each")
    place = _place(client, project=project)
    before, after = None, None
    for each in dict.fromkeys(server):
        words = [
            "mcp",
            "stdio",
            "--agent",
            check_name(agent, what="an agent"),
            "--server",
            check_name(each, what="a server"),
        ]
        words += [] if purpose is None else ["--purpose", check_name(purpose, what="a purpose")]
        words += [] if data is None else ["--data", str(data.absolute())]
        entry = editing.entry(client, _self(), words)
        read, text = editing.installed(place, name or each, entry, replace=replace, text=after)
        before, after = (read if after is None else before), text
    names = [name or each for each in dict.fromkeys(server)]
    return _finish(place, before, after, names=names, dry_run=dry_run, json=json, done="installed", more={})


def uninstall(
    client: Client,
    *,
    name: Annotated[list[str] | None, typer.Option("--name", help="Only this entry; may be repeated.")] = None,
    project: Project = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> int:
    """Take out of a client's configuration what `remit mcp install` put in, and nothing else.

    What was replaced is put back. A file that nothing else changed meanwhile is then what it was, byte for byte.
    """
    from remit.runner.configured import editing  # noqa: PLC0415 - loaded for this command only

    place = _place(client, project=project)
    undone = editing.uninstalled(place, list(name or ()))
    code = _finish(
        place, undone.before, undone.after, names=list(undone.gone), dry_run=dry_run, json=json, done="uninstalled",
        more={"exact": undone.exact, "lost": list(undone.lost)},
    )  # fmt: skip
    if not json:
        _explain(place, undone)
    return code


def _explain(place: Place, undone: Undone) -> None:
    """Why a file is not what it was, if it is not."""
    from remit.runner.configured import saving  # noqa: PLC0415 - as above

    kept = f"before each change: {saving.pattern(place)}" if saving.backups(place) else "there is no backup"
    if undone.gone and not undone.exact:
        talk(f"not to the byte what it was before Remit: something else changed it since, and that stays ({kept})")
    for each in undone.lost:
        talk(f"{each}, which Remit's entry replaced, could not be put back: it stands in a backup ({kept})")
    if undone.gone and undone.after is None:
        talk("there was no such file before Remit, so there is none now")


def _check_entry(name: str) -> None:
    """A client may call an entry what it likes, in one line.

    Raises:
        Malformed: It is none.
    """
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise Malformed(f"an entry's name has 1 to {_LONGEST_NAME} printable characters")


def _place(client: str, *, project: bool) -> Place:
    from remit.runner.configured.places import CLIENTS, places  # noqa: PLC0415 - as above

    if client not in CLIENTS:
        raise Malformed(f"there is no client {client} that this knows", try_=f"one of {', '.join(CLIENTS)}")
    scope = "project" if project else "user"
    every = places(Path.home(), Path.cwd(), os.environ, sys.platform)
    return next(each for each in every if each.client == client and each.scope == scope and each.each is None)


def _self() -> str:
    """This program's own path: a desktop agent may have another PATH."""
    for ours in (Path(sys.argv[0]), Path(sys.executable).with_name("remit")):
        if ours.name == "remit" and ours.is_file():
            return str(ours.absolute())
    return shutil.which("remit") or "remit"


def _finish(
    place: Place, before: str | None, after: str | None, *,
    names: list[str], dry_run: bool, json: bool, done: str, more: dict[str, Any],
) -> int:  # fmt: skip
    from remit.runner.configured import saving  # noqa: PLC0415 - as above

    differs = after != before
    backup = saving.save(place, before, after) if differs and not dry_run else None
    said: dict[str, Any] = {
        "client": place.client, "file": str(place.path), "entries": names, "changed": differs and not dry_run,
        "differs": differs, "backup": None if backup is None else str(backup), **more,
    }  # fmt: skip
    if json:
        data_json(said | ({"diff": _diff(place.path, before or "", after or "")} if dry_run else {}))
    elif dry_run:
        for line in _diff(place.path, before or "", after or ""):
            data_text(line)
        talk("nothing was changed" if differs else "nothing would change")
    elif not differs:
        talk(f"{place.path} is so already")
    else:
        data_text(f"{done}: {', '.join(names)} in {place.path}")
        if backup is not None:
            talk(f"as it was before this change: {backup}")
        talk(f"  try      restart {place.client}, then: remit discover")
    return Exit.OK


def _diff(path: Path, before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), str(path), str(path), lineterm="", n=2)
    return list(lines)
