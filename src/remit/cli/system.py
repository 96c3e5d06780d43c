"""`remit system`: other systems that hold rights of agents, and are told when those end."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment

app = group("Systems that are told when access ends.")


@app.command(
    "add",
    epilog=examples(
        "remit system add crm --url https://crm.example/remit --servers crm",
        "remit system add erp --url https://erp.example/rights --servers payments,orders --secret erp-key --json",
    ),
)
def add(
    name: Name,
    url: Annotated[str, typer.Option("--url", metavar="URL", help="It is POSTed to, and read again with GET.")],
    servers: Annotated[
        str, typer.Option("--servers", metavar="A,B", help="The servers whose actions it holds rights for.")
    ],
    secret: Annotated[
        str | None, typer.Option("--secret", metavar="NAME", help="A secret that goes along as a bearer token.")
    ] = None,
    lapses: Annotated[
        bool, typer.Option("--lapses", help="Tell it of what lapses unused too, which comes back by itself here.")
    ] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """Declare a system that is told when access ends, and asked whether it is gone there.

    What is withdrawn there is not given back there: do that by hand if access is restored.
    """
    named = [each.strip() for each in servers.split(",") if each.strip()]
    body = {"system": name, "url": url, "servers": named, "lapses": lapses} | ({"secret": secret} if secret else {})
    answer = connect(as_).post("/v1/systems", body)
    if json:
        data_json(answer)
    else:
        data_text(f"{answer['system']} is told of what ends on {', '.join(answer['servers'])}")
    return Exit.OK


@app.command("list", epilog=examples("remit system list", "remit system list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List the systems that are told."""
    answer = connect(as_).get("/v1/systems")
    if json:
        data_json(answer)
    elif not answer["systems"]:
        nothing("systems", next_="remit system add NAME --url URL --servers A,B")
    else:
        columns = ("system", "url", "servers", "secret", "lapses")
        table(columns, [[row[column] for column in columns] for row in answer["systems"]])
    return Exit.OK


@app.command("remove", epilog=examples("remit system remove crm", "remit system remove crm --json"))
def remove(name: Name, json: Json = False, as_: As = None) -> int:
    """Tell a system of nothing any more. What it did not confirm is not waited for."""
    answer = connect(as_).delete(f"/v1/systems/{segment(name)}")
    if json:
        data_json(answer)
    else:
        talk(f"the system {answer['system']} is told of nothing any more")
    return Exit.OK
