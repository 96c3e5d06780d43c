"""`remit apply` and `remit diff`: a directory of files, and the server brought in line with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from remit.cli import checkpoints
from remit.cli.exits import Exit
from remit.cli.options import As, Directory, Json, examples
from remit.cli.output import data_json, data_text, patiently, talk
from remit.cli.pages import see
from remit.cli.wire import Api, Refused, connect

if TYPE_CHECKING:
    from remit.cli.tree import Tree

_SIGN = {"create": "+", "update": "~", "widen": ">", "narrow": "<", "prune": "-", "unchanged": " "}
_RULES = frozenset({"policy", "schema", "entities", "authzen"})  # wait for a second person, and together
_Prune = Annotated[bool, typer.Option("--prune", help="Also end what the directory no longer names.")]
_Approve = Annotated[bool, typer.Option("--approve", help="Approve what waits; only as the agent's owner or backup.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("apply", epilog=examples("remit apply ./remit", "remit apply ./remit --prune --json"))(apply)
    app.command("diff", epilog=examples("remit diff ./remit", "remit diff ./remit --prune --json"))(diff)


def apply(
    directory: Directory, prune: _Prune = False, approve: _Approve = False, json: Json = False, as_: As = None
) -> int:
    """Bring the server in line with DIR. Exit 11 while a boundary waits for its owner, or policies for two people."""
    from remit.cli import tree  # noqa: PLC0415 - YAML is read by these two commands only

    api = connect(as_)
    found = tree.read(directory)
    request = {"documents": found.documents, "prune": prune, "dry_run": False, "approve": approve}
    answer = _post(api, found, request)
    checkpoints.keep_from(api)
    waiting = [row for row in answer["changes"] if row.get("waits")]
    if json:
        data_json(answer)
    else:
        _show(answer["changes"], done="applied")
        _show_waiting(waiting)
    return Exit.APPROVAL if waiting else Exit.OK


def diff(directory: Directory, prune: _Prune = False, json: Json = False, as_: As = None) -> int:
    """Show what `apply` would do, and do nothing. Exit 9 if anything differs."""
    from remit.cli import tree  # noqa: PLC0415 - YAML is read by these two commands only

    api = connect(as_)
    found = tree.read(directory)
    request = {"documents": found.documents, "prune": prune, "dry_run": True, "approve": False}
    answer = _post(api, found, request)
    differs = [row for row in answer["changes"] if row["change"] != "unchanged"]
    if json:
        data_json(answer)
    else:
        _show(answer["changes"], done="would change")
    return Exit.DIFFERS if differs else Exit.OK


def _post(api: Api, found: Tree, request: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Ask, and if the documents have problems, say on which lines: the server knows where a document starts,
    this side where each of its keys stands.
    """
    try:
        with patiently("asking the servers for their tools; one that does not answer takes ten seconds ..."):
            return api.post("/v1/apply", request)
    except Refused as error:
        problems = [_located(problem, found) for problem in error.problem.get("problems", ())]
        if not problems:
            raise
        lines = [_line(problem) for problem in problems]
        title = lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")
        raise Refused(
            {**error.problem, "title": title, "detail": "; ".join(lines[1:]), "problems": problems}
        ) from error


def _located(problem: dict[str, Any], found: Tree) -> dict[str, Any]:
    """The problem with the line of its field, or of the nearest key around it."""
    lines = found.lines.get((problem.get("file", ""), problem.get("line", 0)), {})
    path = str(problem.get("field", "")).split(".")
    while path and ".".join(path) not in lines:
        path.pop()
    return {**problem, "line": lines[".".join(path)]} if path else problem


def _line(problem: dict[str, Any]) -> str:
    place = f"{problem['file']}:{problem['line']}" if problem.get("line") else problem.get("file")
    return ": ".join(str(part) for part in (place, problem.get("field"), problem.get("message")) if part)


def _show(changes: list[dict[str, Any]], *, done: str) -> None:
    shown = [row for row in changes if row["change"] != "unchanged" or row.get("waits")]
    width = max((len(row["kind"]) for row in shown), default=0)
    for row in shown:
        state = f"  ({row['state']})" if row.get("state") else ""
        note = f": {row['note']}" if row.get("note") else ""
        sign = _SIGN.get(row["change"], "?")
        data_text(f"{sign} {row['kind'].ljust(width)}  {row['name']}  {row['change']}{state}{note}")
    same = len(changes) - len(shown)
    talk(f"{len(shown)} {done}, {same} unchanged")


def _show_waiting(waiting: list[dict[str, Any]]) -> None:
    servers = [row for row in waiting if row["kind"] == "server"]
    if servers:
        talk(f"enforced until a second person agrees: {', '.join(row['name'] for row in servers)}", style="yellow")
        talk("  because  what is refused on a server is let through once it is only observed")
        talk("  try      remit apply DIR of the same files within an hour, with another person's token")
    policies = [row for row in waiting if row["kind"] in _RULES]
    if policies:
        talk(f"the policies wait for a second person: {', '.join(row['name'] for row in policies)}", style="yellow")
        talk("  because  they would let through what is stopped now; nothing of the policies changed yet")
        talk("  try      remit apply DIR of the same policies within an hour, with another person's token")
    secrets = [row["name"] for row in waiting if row["kind"] == "secret"]
    if secrets:
        talk(f"secrets wait for a second person: {', '.join(secrets)}", style="yellow")
        talk("  because  they could go further than before; until then their documents stay as they were")
        talk("  try      remit apply DIR of the same files within an hour, with another person's token")
    if servers or policies or secrets:
        see("requests", fragment="s-words")
    for row in waiting:
        if row["kind"] in {*_RULES, "server", "secret"}:
            continue
        if row.get("state") == "waiting_for_catalog":
            talk(f"{row['name']} waits until the tools of its servers are known", style="yellow")
            talk("  try      remit server list")
        else:
            talk(f"{row['name']} waits for its agent's owner", style="yellow")
            talk(f"  try      remit boundary approve {row['name']}")
            see("policies", row["name"])
