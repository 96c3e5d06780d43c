"""`remit pep`: registered enforcement points."""

from __future__ import annotations

from remit.cli.exits import Exit
from remit.cli.options import As, Json, Name, examples, group
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import connect, segment

app = group("Enforcement points: what asks Remit for decisions and enforces them.")


@app.command("add", epilog=examples("remit pep add api-gateway", "remit pep add api-gateway --json"))
def add(name: Name, json: Json = False, as_: As = None) -> int:
    """Register an enforcement point. Its token is shown once."""
    answer = connect(as_).post("/v1/peps", {"pep": name})
    if json:
        data_json(answer)
    else:
        data_text(answer["token"])
        talk(f"for the enforcement point {answer['pep']}; it is not shown again")
        talk("  try      POST /access/v1/evaluation with Authorization: Bearer TOKEN")
    return Exit.OK


@app.command("list", epilog=examples("remit pep list", "remit pep list --json"))
def list_(json: Json = False, as_: As = None) -> int:
    """List enforcement points; an instance can be frozen by its name."""
    answer = connect(as_).get("/v1/peps")
    if json:
        data_json(answer)
    elif not answer["peps"]:
        nothing("enforcement points", next_="remit pep add NAME")
    else:
        columns = ("pep", "instance", "created")
        table(columns, [[row.get(column) for column in columns] for row in answer["peps"]])
    return Exit.OK


@app.command("remove", epilog=examples("remit pep remove api-gateway", "remit pep remove api-gateway --json"))
def remove(name: Name, json: Json = False, as_: As = None) -> int:
    """Remove an enforcement point. Its token works no more."""
    answer = connect(as_).delete(f"/v1/peps/{segment(name)}")
    if json:
        data_json(answer)
    else:
        talk(f"the enforcement point {answer['pep']} is removed; its token works no more")
    return Exit.OK
