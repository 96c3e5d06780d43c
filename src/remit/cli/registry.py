"""`remit purpose list` and `remit owner list`."""

from __future__ import annotations

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples, group
from remit.cli.output import data_json, nothing, table
from remit.cli.wire import connect

purposes = group("Purposes: statements of what work this is.")
owners = group("Owners: the accountable people.")


@purposes.command("list", epilog=examples("remit purpose list", "remit purpose list --json"))
def list_purposes(json: Json = False, as_: As = None) -> int:
    """List purposes."""
    return _list("purposes", ("purpose", "state", "not_after", "actions", "statement"), json=json, as_=as_)


@owners.command("list", epilog=examples("remit owner list", "remit owner list --json"))
def list_owners(json: Json = False, as_: As = None) -> int:
    """List owners and who stands in for them."""
    return _list("owners", ("owner", "name", "email", "backup", "active"), json=json, as_=as_)


def _list(what: str, columns: tuple[str, ...], *, json: bool, as_: str | None) -> int:
    answer = connect(as_).get(f"/v1/{what}")
    if json:
        data_json(answer)
    elif not answer[what]:
        nothing(what, next_=f"remit apply DIR, with {what} in it")
    else:
        table(columns, [[row.get(column) for column in columns] for row in answer[what]])
    return Exit.OK
