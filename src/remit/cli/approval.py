"""`remit approval`: people let one very call of an agent pass, once."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from remit.cli.ask import arguments_of
from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, data_text, facts, nothing, table, talk
from remit.cli.pages import see
from remit.cli.wire import Api, connect, segment

app = group("Approvals: a person lets one very call of an agent pass, once.")
Request = Annotated[str, typer.Argument(metavar="REQUEST")]
_Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; the agent reads it.")]
_POLL_SECONDS = 2.0
_SHOWN = (
    "request", "state", "agent", "acts_for", "purpose", "action", "arguments", "asker", "why", "open_until",
    "may_decide", "yes", "quorum", "decided_by", "note", "approved_until", "used_by",
)  # fmt: skip


@app.command("list", epilog=examples("remit approval list", "remit approval list --state approved --json"))
def list_(
    state: Annotated[str, typer.Option("--state", metavar="STATE", help="pending, approved, denied, ..., or all.")] = (
        "pending"
    ),
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """List access requests, newest first."""
    asked = {"state": state, "agent": agent}
    query = urlencode({name: value for name, value in asked.items() if value not in (None, "all")})
    found = connect(as_).get(f"/v1/approvals{'?' if query else ''}{query}")
    rows = found["requests"]
    if json:
        data_json(found)
    elif not rows:
        nothing("requests", next_="remit approval ask AGENT ACTION --arg K=V")
    else:
        table(
            ("REQUEST", "STATE", "AGENT", "ACTION", "ASKED BY", "UNTIL", "YES"),
            [
                (each["request"], each["state"], each["agent"], each["action"], each["asker"],
                 each["approved_until"] or each["open_until"], f"{len(each['yes'])}/{each['quorum']}")
                for each in rows
            ],
        )  # fmt: skip
    return Exit.OK


@app.command("show", epilog=examples("remit approval show arq_01...", "remit approval show arq_01... --json"))
def show(request: Request, json: Json = False, as_: As = None) -> int:
    """Show one request. What the agent would send is shown to who decides it."""
    return _shown(_one(connect(as_), request), json=json)


@app.command(
    "ask",
    epilog=examples(
        "remit approval ask invoice-bot payments/transfer --arg amount=400 --arg currency=EUR",
        'remit approval ask invoice-bot payments/transfer --arg amount=400 --why "invoice 17" --wait 10m',
    ),
)
def ask(  # noqa: PLR0917 - typer declares options as parameters
    agent: Annotated[str, typer.Argument(metavar="AGENT")],
    action: Annotated[str, typer.Argument(metavar="ACTION")],
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="K=V", help="One argument; V is JSON if it reads as JSON, else text."),
    ] = None,
    args: Annotated[str | None, typer.Option("--args", metavar="JSON", help="All arguments as one object.")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="NAME")] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="For the people who decide.")] = "",
    wait: Annotated[str | None, typer.Option("--wait", metavar="TIME", help="Wait so long for an answer.")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Ask, for an agent, that one call may pass once. Somebody else than you says yes."""
    api = connect(as_)
    arguments = arguments_of(arg or [], args)
    body = {"agent": agent, "action": action, "purpose": purpose, "arguments": arguments, "why": why}
    answer = api.post("/v1/approvals", body)
    if wait is not None:
        answer = _waited(api, answer, wait)
    code = _shown(answer, json=json)
    if not json:
        see("requests", answer["request"])
    return Exit.APPROVAL if answer["state"] == "pending" else Exit.DENIED if answer["state"] != "approved" else code


@app.command(
    "approve", epilog=examples("remit approval approve arq_01...", "remit approval approve arq_01... --for 5m --json")
)
def approve(
    request: Request,
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="15m at the most.")] = "15m",
    note: _Note = "",
    json: Json = False,
    as_: As = None,
) -> int:
    """Say yes: the very call that was asked about passes once, within 15 minutes, if nothing else speaks against it.

    Never your own request. Where a boundary asks for several people, each says yes.
    """
    answer = _said(connect(as_), request, "approve", {"for": lasts, "note": note}, json=json)
    if not json and answer["state"] == "pending":
        talk(f"  {len(answer['yes'])} of {answer['quorum']} have said yes")
    elif not json:
        talk(f"  the very call passes once, until {answer['approved_until']}")
    return Exit.OK


@app.command(
    "deny", epilog=examples("remit approval deny arq_01...", 'remit approval deny arq_01... --note "ask for less"')
)
def deny(request: Request, note: _Note = "", json: Json = False, as_: As = None) -> int:
    """Say no. For a day the very call is refused with that."""
    _said(connect(as_), request, "deny", {"note": note}, json=json)
    return Exit.OK


@app.command("cancel", epilog=examples("remit approval cancel arq_01...", "remit approval cancel arq_01... --json"))
def cancel(request: Request, json: Json = False, as_: As = None) -> int:
    """Take a request back, or an approval that nobody has used yet."""
    _said(connect(as_), request, "cancel", {}, json=json)
    return Exit.OK


def _one(api: Api, request: str) -> Any:  # noqa: ANN401 - any JSON value
    return api.get(f"/v1/approvals/{segment(request)}")


def _said(api: Api, request: str, verb: str, body: dict[str, Any], *, json: bool) -> Any:  # noqa: ANN401 - any JSON value
    answer = api.post(f"/v1/approvals/{segment(request)}/{verb}", body)
    if json:
        data_json(answer)
    else:
        data_text(f"{answer['state']}: {answer['action']} of {answer['agent']} ({answer['request']})")
    return answer


def _shown(found: Any, *, json: bool) -> int:  # noqa: ANN401 - any JSON value
    if json:
        data_json(found)
        return Exit.OK
    facts({name: found[name] for name in _SHOWN if found.get(name) not in (None, "", [])})
    if found["state"] == "pending":
        talk(f"  try      remit approval approve {found['request']}, or deny")
    return Exit.OK


def _waited(api: Api, answer: Any, wait: str) -> Any:  # noqa: ANN401 - any JSON value
    """The request once it is decided, or as it is when the time is over."""
    from remit.kernel.clock import SECOND, parse_duration  # noqa: PLC0415 - only who waits needs it

    end = time.monotonic() + parse_duration(wait) / SECOND
    while answer["state"] == "pending" and time.monotonic() < end:
        time.sleep(min(_POLL_SECONDS, max(0.0, end - time.monotonic())))
        answer = _one(api, answer["request"])
    return answer
