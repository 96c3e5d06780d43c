"""`remit server`: the MCP servers that agents reach, and their pinned tools."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import complain, data_json, data_text, facts, foreign, nothing, table, talk
from remit.cli.wire import connect, segment

app = group("MCP servers and their pinned tools.")


@app.command("list", epilog=examples("remit server list", "remit server list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List servers, and how many of their tools wait for review."""
    answer = connect(as_).get("/v1/servers")
    if json:
        data_json(answer)
    elif not answer["servers"]:
        nothing("servers", next_="remit apply DIR, with servers/*.yaml in it")
    else:
        columns = ("server", "url", "tools", "waiting", "credential", "review", "mode")
        table(
            columns,
            [[_at(row) if column == "url" else row.get(column) for column in columns] for row in answer["servers"]],
        )
    return Exit.OK


@app.command("show", epilog=examples("remit server show payments", "remit server show payments --json"))
def show(name: Name, json: Json = False, as_: As = None) -> int:
    """Show one server and its tools."""
    answer = connect(as_).get(f"/v1/servers/{segment(name)}")
    if json:
        data_json(answer)
        return Exit.OK
    shown = ("server", "url", "credential", "review", "mode", "set_pin")
    facts({key: _at(answer) if key == "url" else answer.get(key) for key in shown})
    if not answer["tools"]:
        nothing("tools", next_=f"remit server refresh {name}")
        return Exit.OK
    table(("tool", "tier", "state", "data", "pin"), [_tool(row) for row in answer["tools"]])
    return Exit.OK


def _at(row: dict[str, Any]) -> str:
    """Its URL, or its command as a shell takes it."""
    return shlex.join(row["command"]) if row.get("command") else str(row.get("url"))


def _tool(row: dict[str, Any]) -> list[object]:
    data = [*row.get("returns", []), *(["carries out"] if row.get("carries_out") else [])]
    return [row["tool"], row["tier"], row["state"], ", ".join(data), str(row["pin"])[:12]]


@app.command("review", epilog=examples("remit server review payments", "remit server review payments --approve"))
def review(
    name: Name,
    approve: Annotated[bool, typer.Option("--approve", help="Pin the definitions as they are now.")] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Show what changed since the pins; --approve pins it."""
    api = connect(as_)
    path = f"/v1/servers/{segment(name)}"
    answer = api.get(f"{path}/review")
    if approve:
        # What was shown is what is approved: a definition that changed in between is a conflict, not a yes.
        pins = {row["tool"]: row["seen_pin"] for row in answer["changes"]}
        answer = api.post(f"{path}/approve", {"pins": pins})
    if json:
        data_json(answer)
        return Exit.OK
    for row in answer["changes"]:
        _change(row)
    if approve:
        data_text(f"approved: {len(answer['changes'])} definitions of {name}")
    elif answer["changes"]:
        talk(f"  try      remit server review {name} --approve")
    else:
        talk(f"every tool of {name} is as it was approved")
    return Exit.OK


def _change(row: dict[str, Any]) -> None:
    data_text(f"{foreign(row['tool'])}  {row['state']}", style="bold")
    if row.get("renamed_from"):
        data_text(f"  renamed: {foreign(row['renamed_from'])} is gone, and has the same schemas", style="yellow")
    for other in row.get("shadows", ()):
        data_text(f"  shadows: {foreign(other)} has this name, or one that looks like it", style="yellow")
    for reason in row.get("held", ()):
        data_text(f"  held: {foreign(reason)}", style="yellow")
    for line in row.get("changes", ()):
        data_text(f"  {foreign(line)}")
    if row.get("changes"):
        return
    for part, (before, after) in row.get("parts", {}).items():
        if before is not None:
            data_text(f"  - {foreign(part)}: {foreign(before)}", style="red")
        if after is not None:
            data_text(f"  + {foreign(part)}: {foreign(after)}", style="green")


@app.command("refresh", epilog=examples("remit server refresh payments", "remit server refresh payments --json"))
def refresh(name: Name, json: Json = False, as_: As = None) -> int:
    """Import a server's tools again now."""
    answer = connect(as_).post(f"/v1/servers/{segment(name)}/refresh", {})
    if json:
        data_json(answer)
    else:
        data_text(f"{name}: {answer['tools']} tools, {answer['waiting']} waiting for review")
    if answer["reached"]:
        return Exit.OK
    complain(
        f"{name} did not answer", because=foreign(answer["detail"]), try_=f"start it, then: remit server refresh {name}"
    )
    return Exit.UNREACHABLE
