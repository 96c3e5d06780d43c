"""`remit breakglass`: boundaries for emergencies, opened by people for a short time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment

app = group("Break-glass: boundaries for emergencies, opened by people for a short time.")
Opening = Annotated[str, typer.Argument(metavar="OPENING")]


@app.command(
    "open",
    epilog=examples(
        'remit breakglass open invoice-bot pay-emergency --for 30m --reason "bank is down" --ticket INC-7',
        'remit breakglass open invoice-bot pay-emergency --reason "double payment" --ticket INC-8 --json',
    ),
)
def open_(
    agent: Annotated[str, typer.Argument(metavar="AGENT")],
    boundary: Annotated[str, typer.Argument(metavar="BOUNDARY", help="One that says break_glass: true.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the log.")],
    ticket: Annotated[str, typer.Option("--ticket", metavar="ID", help="Where the emergency is worked on.")],
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="60m at the most.")] = "30m",
    json: Json = False,
    as_: As = None,
) -> int:
    """Open a boundary for emergencies, as the agent's owner, a backup or security.

    The owner gets a notice and security an incident. Calls under it are recorded with all they carry, and keep no
    entitlement in force. Somebody else reviews it within 24 hours of its end; if nobody has by then, who opened it
    opens nothing more until somebody does. Openings of one boundary within a day share one hour, from the first of
    them, unless they were accepted.
    """
    body = {"agent": agent, "boundary": boundary, "for": lasts, "reason": reason, "ticket": ticket}
    answer = connect(as_).post("/v1/breakglass", body)
    if json:
        data_json(answer)
    else:
        data_text(f"open: {boundary} of {agent} until {answer['ends']} ({answer['opening']})")
        talk(f"  somebody else reviews it by {answer['review_due']}")
        talk(f"  try      remit breakglass close {answer['opening']}")
    return Exit.OK


@app.command("close", epilog=examples("remit breakglass close opn_01...", "remit breakglass close opn_01... --json"))
def close(opening: Opening, json: Json = False, as_: As = None) -> int:
    """End an opening before its time. What runs under it is cut."""
    answer = connect(as_).post(f"/v1/breakglass/{segment(opening)}/close", {})
    return _done(answer, "closed", f"remit breakglass review {opening} --note TEXT, as somebody else", json=json)


@app.command("list", epilog=examples("remit breakglass list", "remit breakglass list --agent invoice-bot --json"))
def list_(
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME")] = None, json: Json = False, as_: As = None
) -> int:
    """List openings, newest first, and where each stands with its review."""
    answer = connect(as_).get("/v1/breakglass" + (f"?agent={segment(agent)}" if agent else ""))
    if json:
        data_json(answer)
    elif not answer["openings"]:
        nothing("openings", next_="remit boundary list")
    else:
        columns = ("opening", "agent", "boundary", "open", "state", "opened", "ends", "by", "ticket", "reason")
        shown = (*columns, "review_due", "reviewed_by")
        table(shown, [[_word(row[name]) for name in shown] for row in answer["openings"]])
    return Exit.OK


@app.command(
    "review",
    epilog=examples(
        'remit breakglass review opn_01... --note "as agreed in INC-7"',
        'remit breakglass review opn_01... --reject --note "there was no emergency"',
    ),
)
def review(
    opening: Opening,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What was found; it stands in the log.")] = "",
    reject: Annotated[
        bool, typer.Option("--reject", help="It was not right: who opened it opens nothing more.")
    ] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Say, as somebody else than who opened it, that an opening was right; or, with --reject, that it was not.

    What was rejected can still be accepted later, by anybody who may review it.
    """
    body = {"note": note, "accepted": not reject}
    answer = connect(as_).post(f"/v1/breakglass/{segment(opening)}/review", body)
    return _done(answer, "rejected" if reject else "accepted", "remit breakglass list", json=json)


def _done(answer: dict[str, Any], what: str, next_: str, *, json: bool) -> int:
    if json:
        data_json(answer)
    else:
        data_text(f"{what}: {answer['opening']}, {answer['boundary']} of {answer['agent']}")
        talk(f"  try      {next_}")
    return Exit.OK


def _word(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value
