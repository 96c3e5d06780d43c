"""`remit operator`: people's own tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.cli import checkpoints
from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment

app = group("Operators: people who use Remit, and their tokens.")


@app.command(
    "token",
    epilog=examples("remit operator token dana --role owner", "remit operator token sam --role security --ttl 8h"),
)
def token(
    person: Annotated[str, typer.Argument(metavar="PERSON")],
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="viewer, owner, reviewer, operator, security or auditor")
    ],
    ttl: Annotated[str, typer.Option("--ttl", metavar="TIME", help="How long it works, such as 8h or 30d.")] = "30d",
    json: Json = False,
    as_: As = None,
) -> int:
    """Issue a personal token. It is shown once."""
    answer = connect(as_).post("/v1/operators/tokens", {"person": person, "role": role, "ttl": ttl})
    if json:
        data_json(answer)
    else:
        data_text(answer["token"])
        talk(f"for {answer['person']} as {answer['role']} until {answer['expires']}; it is not shown again")
        talk("  try      REMIT_TOKEN=... remit agent list")
    return Exit.OK


@app.command("list", epilog=examples("remit operator list", "remit operator list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List issued tokens: their ids, whose, which role, until when."""
    answer = connect(as_).get("/v1/operators/tokens")
    if json:
        data_json(answer)
    elif not answer["tokens"]:
        nothing("personal tokens", next_="remit operator token PERSON --role ROLE")
    else:
        columns = ("token", "person", "role", "created", "expires")
        table(columns, [[row.get(column) for column in columns] for row in answer["tokens"]])
    return Exit.OK


@app.command("waiting", epilog=examples("remit operator waiting", "remit operator waiting --json"))
def waiting(json: Json = False, as_: As = None) -> int:
    """List what one person said and a second has not yet; each word counts for an hour."""
    answer = connect(as_).get("/v1/first-words")
    if json:
        data_json(answer)
    elif not answer["words"]:
        nothing("first words", next_="what takes two people waits here once one of them said so")
    else:
        columns = ("kind", "person", "about", "until")
        table(columns, [[row[column] for column in columns] for row in answer["words"]])
    return Exit.OK


@app.command("take-back", epilog=examples("remit operator take-back policies", "remit operator take-back keys --json"))
def take_back(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="As remit operator waiting shows it.")],
    json: Json = False,
    as_: As = None,
) -> int:
    """Take back what you said and a second person has not yet. It is forgotten when this returns."""
    api = connect(as_)
    answer = api.delete(f"/v1/first-words/{segment(kind)}")
    checkpoints.keep_from(api)
    if json:
        data_json(answer)
    else:
        taken = answer["taken_back"]
        data_text(f"taken back: {taken['kind']}, which {taken['person']} had said about {taken['about']}")
    return Exit.OK


@app.command("revoke", epilog=examples("remit operator revoke dana", "remit operator revoke opt_0123456789abcdef0123"))
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN_ID|PERSON", help="One token, or all tokens of a person.")],
    json: Json = False,
    as_: As = None,
) -> int:
    """Revoke a personal token. It has stopped working when this returns."""
    api = connect(as_)
    answer = api.delete(f"/v1/operators/tokens/{segment(token)}")
    checkpoints.keep_from(api)
    if json:
        data_json(answer)
    else:
        for row in answer["revoked"]:
            data_text(f"revoked: {row['token']} of {row['person']} as {row['role']}")
        if closed := answer["signed_out"]:
            data_text(f"signed out of the console: {closed} session{'s' if closed > 1 else ''}")
        if count := answer["taken_back"]:
            data_text(f"taken back: {count} first word{'s' if count > 1 else ''}")
    return Exit.OK
