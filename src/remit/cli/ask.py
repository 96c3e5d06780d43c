"""`remit can` and `remit why`: what would be answered, and what was answered and for what reason."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from remit.cli.exits import Exit, for_denial
from remit.cli.explain import show_answer, show_decision
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json
from remit.cli.pages import see
from remit.cli.wire import connect, segment
from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "can",
        epilog=examples(
            "remit can invoice-bot payments/transfer --arg amount=400.00 --arg currency=EUR",
            "remit can invoice-bot payments/list_invoices --purpose pay-invoices --json",
        ),
    )(can)
    app.command("why", epilog=examples("remit why dec_01abc", "remit why dec_01abc --json"))(why)


def can(
    agent: Annotated[str, typer.Argument(metavar="AGENT")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="server/tool, or server:method")],
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="P", help="If the agent has several.")] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="K=V", help="One argument; V is JSON if it reads as JSON, else text."),
    ] = None,
    args: Annotated[str | None, typer.Option("--args", metavar="JSON", help="All arguments as one object.")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """Ask what the answer to a call would be, without making it.

    Exit 0 allowed, 10 denied, 11 needs approval.
    """
    body: dict[str, Any] = {"agent": agent, "action": action, "arguments": arguments_of(arg or [], args)}
    if purpose:
        body["purpose"] = purpose
    answer = connect(as_).post("/v1/can", body)
    if json:
        data_json(answer)
    else:
        show_answer(agent, action, answer)
    return Exit.OK if answer["decision"] else for_denial(answer["denial"]["code"])


def arguments_of(pairs: list[str], whole: str | None = None) -> dict[str, Any]:
    """A call's arguments as they are typed. Raises Malformed."""
    found = parse(whole) if whole is not None else {}
    if not isinstance(found, dict):
        raise Malformed("--args takes a JSON object")
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name or name in found:
            raise Malformed("--arg takes K=V, each K once", detail=pair)
        try:
            found[name] = parse(text)
        except Malformed:
            found[name] = text
    return found


def why(decision: Annotated[str, typer.Argument(metavar="DECISION_ID")], json: Json = False, as_: As = None) -> int:
    """Explain one recorded decision.

    What was asked, what decided it, and what would make it allowed.
    """
    found = connect(as_).get(f"/v1/decisions/{segment(decision)}")
    if json:
        data_json(found)
    else:
        show_decision(found)
        see("log", found["decision_id"])
    return Exit.OK
