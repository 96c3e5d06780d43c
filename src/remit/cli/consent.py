"""`remit consent`: what people let clients do as their agents."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, nothing, table, talk
from remit.cli.wire import connect, segment

app = group("Consents: what people let clients do as their agents.")


@app.command("list", epilog=examples("remit consent list", "remit consent list --person dana --json"))
def list_(
    person: Annotated[str | None, typer.Option("--person", help="Only those that this person gave.")] = None,
    json: Json = False,
    as_: As = None,
) -> int:
    """List consents, the newest first."""
    answer = connect(as_).get("/v1/consents" + (f"?person={quote(person, safe='')}" if person else ""))
    if json:
        data_json(answer)
    elif not answer["consents"]:
        nothing("consents", next_="a client sends its person to /oauth2/authorize")
    else:
        columns = ("consent", "person", "agent", "purpose", "client", "until", "state")
        table(columns, [[row[column] for column in columns] for row in answer["consents"]])
    return Exit.OK


@app.command(
    "withdraw",
    epilog=examples(
        "remit consent withdraw con_0h3y7c8m2w4q6z1x5v9b7n3k2j",
        "remit consent withdraw con_0h3y7c8m2w4q6z1x5v9b7n3k2j --json",
    ),
)
def withdraw(
    consent: Annotated[str, typer.Argument(help="Its id, con_...")], json: Json = False, as_: As = None
) -> int:
    """Withdraw a consent. Every token under it ends at once."""
    answer = connect(as_).post(f"/v1/consents/{segment(consent)}/withdraw", {})
    if json:
        data_json(answer)
    else:
        talk(f"{answer['client']} acts as {answer['agent']} no more; what it held ended")
    return Exit.OK
