"""`remit mandate`: what an agent may do now, with which arguments, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from shlex import quote
from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, facts, nothing, table, talk
from remit.cli.wire import connect, segment

_STARTS = {
    "by_itself": "starts with the next call",
    "owner": "waits for its owner",
    "risk": "waits: the agent is at risk",
    "attest": "starts with a fresh token",
}


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "mandate",
        epilog=examples("remit mandate invoice-bot", "remit mandate invoice-bot --purpose pay-invoices --json"),
    )(mandate)


def mandate(
    agent: Annotated[str, typer.Argument(metavar="AGENT")],
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="P", help="If the agent has several.")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Show what an agent may do now, as the agent itself reads it."""
    query = f"?purpose={segment(purpose)}" if purpose else ""
    found = connect(as_).get(f"/v1/agents/{segment(agent)}/mandate{query}")
    if json:
        data_json(found)
    else:
        _show(found)
    return Exit.OK


def _show(found: Mapping[str, Any]) -> None:
    purpose = found["purpose"]
    facts(
        {
            "agent": f"{found['sub']} version {found['agent']['version']}, until {found['agent']['ends']}",
            "purpose": f"{purpose['purpose']}: {purpose['statement']}, until {purpose['ends']}",
            "frozen": f"yes: {', '.join(found['freeze']['on'])}" if found["freeze"]["frozen"] else "no",
        }
    )
    if not found["actions"]:
        nothing("actions for this purpose", next_=f"remit boundary list, or remit activation list {found['sub']}")
        return
    table(
        ("action", "tier", "state", "until", "arguments", "limits"),
        [
            (each["action"], each["tier"], _state(each), each["until"], _arguments(each), list(_limits(each)))
            for each in found["actions"]
        ],
    )
    for each in found["boundaries"]:
        data_text(f"boundary {each['boundary']} version {each['version']}, until {each['ends']}")
    for each in found["policies"]:
        when = "sometimes" if each["conditional"] else "always"
        data_text(f"policy {each['id']} {when} {each['effect']}s {', '.join(each['actions'])}: {each['title'] or '-'}")
    talk(f"  try      remit can {found['sub']} {quote(found['actions'][0]['action'])} --purpose {purpose['purpose']}")


def _state(action: Mapping[str, Any]) -> str:
    if action["refused"]:
        return f"refused: {action['refused']}"
    return str(action["state"]) if action["usable"] else f"{action['state']}, {_STARTS.get(action['starts'], '')}"


def _arguments(action: Mapping[str, Any]) -> list[str]:
    """The arguments with what the schema says of each, in a few words."""
    schema = action["input_schema"]
    needed = schema.get("required", ())
    return [
        f"{name}{'' if name in needed else '?'} {_words(member)}".rstrip()
        for name, member in schema.get("properties", {}).items()
    ]


def _words(member: object) -> str:
    if not isinstance(member, dict):
        return ""
    if "enum" in member:
        return "in " + "|".join(str(each) for each in member["enum"])
    marks = {"minimum": ">=", "maximum": "<=", "pattern": "matches", "maxLength": "length <="}
    return " ".join(f"{mark} {member[word]}" for word, mark in marks.items() if word in member)


def _limits(action: Mapping[str, Any]) -> Iterable[str]:
    for grant in action["granted_by"]:
        for limit in grant["limits"]:
            what = f"{limit['argument']} " if limit["kind"] == "budget" else ""
            left = "?" if limit["left"] is None else limit["left"]
            yield f"{what}{left} of {limit['max']} left per {limit['per']}"
        for each in grant["approval"]:
            yield f"approval above {each['argument']} {each['above']}"
        if grant["approval_each_call"]:
            yield "approval for each call"
