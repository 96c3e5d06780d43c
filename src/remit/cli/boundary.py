"""`remit boundary`: the upper bounds that people approve."""

from __future__ import annotations

from shlex import quote
from typing import Any

from remit.cli import checkpoints
from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, facts, nothing, table, talk
from remit.cli.wire import connect, segment

app = group("Access boundaries: upper bounds that a person approved.")


@app.command("list", epilog=examples("remit boundary list", "remit boundary list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List boundaries with their newest version and what waits."""
    answer = connect(as_).get("/v1/boundaries")
    if json:
        data_json(answer)
    elif not answer["boundaries"]:
        nothing("boundaries", next_="remit apply DIR, with boundaries/*.yaml in it")
    else:
        columns = ("boundary", "version", "agent", "purpose", "state", "not_after", "approved_by")
        table(columns, [[row.get(column) for column in columns] for row in answer["boundaries"]])
    return Exit.OK


@app.command("show", epilog=examples("remit boundary show invoice-bot-payments", "remit boundary show NAME --json"))
def show(name: Name, json: Json = False, as_: As = None) -> int:
    """Show one boundary: every action with its bounds and limits, version by version."""
    answer = connect(as_).get(f"/v1/boundaries/{segment(name)}")
    if json:
        data_json(answer)
        return Exit.OK
    for version in answer["versions"]:
        columns = ("boundary", "version", "agent", "purpose", "state", "not_after", "approved_by", "approved_at")
        facts({column: version.get(column) for column in columns})
        for rule in version["rules"]:
            data_text(f"  {rule['action']}{_bounds(rule)}")
        data_text("")
    return Exit.OK


def _show_waiting(version: dict[str, Any]) -> None:
    """What a person is about to say yes to, on stderr."""
    if "widens" not in version:
        talk(f"{version['boundary']} version {version['version']} is {version['state']}: nothing waits")
        return
    end = version["not_after"]
    talk(f"{version['boundary']} version {version['version']}: {version['agent']} for {version['purpose']} until {end}")
    for rule in version["rules"]:
        talk(f"  {rule['action']}{_bounds(rule)}")
    for reason in version["widens"]:
        talk(f"  widens   {reason}", style="yellow")


def _bounds(rule: dict[str, Any]) -> str:
    said = [
        f"{name} {_value(value)}" for name, value in rule.items() if name != "action" and value not in (None, {}, [])
    ]
    return "  " + "; ".join(said) if said else ""


def _value(value: object) -> str:
    """A bound, limit or threshold in words: `amount max 500.00, currency in EUR`."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "|".join(map(_value, value))
    return str(value)


@app.command("decline", epilog=examples("remit boundary decline NAME", "remit boundary decline NAME --as dana"))
def decline(name: Name, json: Json = False, as_: As = None) -> int:
    """Show what waits of a boundary, and say no to it; only its agent's owner or backup may. What is in force stays."""
    api = connect(as_)
    found = api.get(f"/v1/boundaries/{segment(name)}")
    waits = found.get("waits") or found["versions"][0]
    if not json:
        _show_waiting(waits)
    answer = api.post(f"/v1/boundaries/{segment(name)}/decline", {"version": waits["version"]})
    if json:
        data_json(answer)
    else:
        data_text(f"declined: {answer['boundary']} version {answer['version']}")
        talk("  because  it allowed nothing while it waited; what is in force stays")
    return Exit.OK


@app.command("approve", epilog=examples("remit boundary approve NAME", "remit boundary approve NAME --as dana"))
def approve(name: Name, json: Json = False, as_: As = None) -> int:
    """Show what waits of a boundary, and approve that and nothing else; only its agent's owner or backup may."""
    api = connect(as_)
    found = api.get(f"/v1/boundaries/{segment(name)}")
    versions = found["versions"]
    waits = found.get("waits") or next((each for each in versions if each["state"] == "active"), versions[0])
    if not json:
        _show_waiting(waits)
    answer = api.post(f"/v1/boundaries/{segment(name)}/approve", {"version": waits["version"]})
    checkpoints.keep_from(api)
    if json:
        data_json(answer)
    else:
        data_text(f"approved: {answer['boundary']} version {answer['version']}, {len(answer['rules'])} actions")
        action = answer["rules"][0]["action"] if answer["rules"] else "ACTION"
        talk(f"  try      remit can {answer['agent']} {quote(action)} --purpose {answer['purpose']}")
    return Exit.OK
