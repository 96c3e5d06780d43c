"""`remit who --can ACTION`: every agent that can, and with --denied who cannot, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Annotated, Any

import typer

from remit.cli.ask import arguments_of
from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, table, talk
from remit.cli.wire import connect

_PAGE = 500
_CANNOT = frozenset({"stopped", "outside_limits", "unclear"})
_WORDS = {
    "direct": "now",
    "latent": "starts by itself",
    "needs_owner": "once its owner starts it",
    "needs_approval": "once a person approves",
    "outside_limits": "not with these arguments, or not now",
    "unclear": "name arguments (--arg)",
    "stopped": "stopped",
}


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "who",
        epilog=examples(
            "remit who --can payments/transfer --arg amount=400.00 --arg currency=EUR",
            "remit who --can payments/delete_payee --denied --json",
        ),
    )(who)


def who(
    can: Annotated[str, typer.Option("--can", metavar="ACTION", help="server/tool")],
    arg: Annotated[
        list[str] | None, typer.Option("--arg", metavar="K=V", help="One argument; without any, some that would fit.")
    ] = None,
    args: Annotated[str | None, typer.Option("--args", metavar="JSON", help="All arguments as one object.")] = None,
    denied: Annotated[
        bool, typer.Option("--denied", help="Show who has it in a boundary and cannot, and why.")
    ] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """List the agents that can do ACTION now, or by themselves, or once a person says yes.

    Each is decided as a call would be. An owner is told of their own agents.
    """
    body: dict[str, Any] = {"action": can, "limit": _PAGE}
    if arg or args is not None:
        body["arguments"] = arguments_of(arg or [], args)
    found = _all(body, as_)
    found["rows"] = [row for row in found["rows"] if (row["access"] in _CANNOT) is denied]
    if json:
        data_json(found)
    else:
        show(found, denied=denied)
    return Exit.OK


def _all(body: dict[str, Any], as_: str | None) -> dict[str, Any]:
    """Every page as one answer; says on stderr how far it is where there are several."""
    api, found, looked = connect(as_), dict[str, Any](), 0
    while True:
        page = api.post("/v1/who", body)
        looked += page["looked"]
        if found:
            page["rows"] = [*found["rows"], *page["rows"]]
            page["without_boundary"] += found["without_boundary"]
        found = page
        if page["more"] is None:
            return {**found, "looked": looked}
        talk(f"{looked} of {page['agents']} agents ...")
        body = {**body, "after": page["more"]}


def show(found: Mapping[str, Any], *, denied: bool) -> None:
    """The rows, and what is not among them."""
    rows: Sequence[Mapping[str, Any]] = found["rows"]
    if rows:
        columns = ("agent", "purpose", "access", "tier", "boundary", "because" if denied else "arguments")
        table(columns, [_row(row, denied=denied) for row in rows])
    else:
        talk(f"{'nobody who has it in a boundary is kept from it' if denied else 'nobody can'}: {found['action']}")
    without = found["without_boundary"]
    talk(
        f"{without} agents have no boundary that names {found['action']}"
        if without != 1
        else "1 agent has no boundary that names it"
    )
    if not denied and not rows:
        talk(f"  try      remit who --can {quote(found['action'])} --denied")


def _row(row: Mapping[str, Any], *, denied: bool) -> list[object]:
    said = [f"{name}={value}" for name, value in row["arguments"].items()]
    last = f"{row['code']}: {row['because']}" if denied else said
    boundary = f"{row['boundary']} v{row['boundary_version']}" if row["boundary"] else ""
    return [row["agent"], row["purpose"], _WORDS[row["access"]], row["tier"], boundary, last]
