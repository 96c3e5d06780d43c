"""`remit withdrawal`: access that is being taken away, step by step, and where it stands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, facts, nothing, table, talk
from remit.cli.wire import connect, segment

app = group("Withdrawals: access that is being taken away everywhere.")


@app.command(
    "list", epilog=examples("remit withdrawal list --open", "remit withdrawal list --agent invoice-bot --json")
)
def list_(
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME")] = None,
    unfinished: Annotated[bool, typer.Option("--open", help="Only those that are not confirmed yet.")] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """List withdrawals, newest first.

    A call is denied from the moment a withdrawal begins; what is listed is how far it has come elsewhere.
    """
    query = [f"agent={segment(agent)}"] if agent else []
    query += ["open=true"] if unfinished else []
    answer = connect(as_).get("/v1/withdrawals" + (f"?{'&'.join(query)}" if query else ""))
    if json:
        data_json(answer)
    elif not answer["withdrawals"]:
        nothing("open withdrawals" if unfinished else "withdrawals", next_="remit activation list")
    else:
        columns = ("withdrawal", "agent", "cause", "entitlements", "state", "step", "begun", "confirmed", "next")
        table(columns, [[row[name] for name in columns] for row in answer["withdrawals"]])
    return Exit.OK


@app.command("show", epilog=examples("remit withdrawal show wdr_01...", "remit withdrawal show wdr_01... --json"))
def show(
    withdrawal: Annotated[str, typer.Argument(metavar="WITHDRAWAL")], json: Json = False, as_: As = None
) -> int:  # fmt: skip
    """Show one withdrawal: each step with its time and outcome, and what other systems say."""
    answer = connect(as_).get(f"/v1/withdrawals/{segment(withdrawal)}")
    if json:
        data_json(answer)
        return Exit.OK
    lists = {"what", "steps", "systems"}
    facts({name: value for name, value in answer.items() if name not in lists})
    _rows(
        ("purpose", "action", "scope"),
        [{name: value or "all" for name, value in row.items()} for row in answer["what"]],
    )
    _rows(("step", "outcome", "told", "at", "last", "times"), answer["steps"])
    _rows(("system", "purpose", "action", "present", "token"), answer["systems"])
    if answer["state"] == "unconfirmed":
        talk("it was not confirmed in time, and is tried again at the time given as next")
        talk("  try      see to it there by hand; remit system list shows where each system is")
    return Exit.OK


def _rows(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if rows:
        table(columns, [[row[name] for name in columns] for row in rows])
