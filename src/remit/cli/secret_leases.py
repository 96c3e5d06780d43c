"""`remit secret leases`: credentials that were made for one instance each, and how they end."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, nothing, table, talk
from remit.cli.wire import Api, connect, segment

_LOOK: Final = 0.2  # seconds
_ENDED: Final = "ended"
_COLUMNS = ("lease", "secret", "agent", "instance", "state", "made", "until", "why", "told", "incident")


def add(app: typer.Typer) -> None:
    """Register the command with those of `remit secret`."""
    app.command("leases", epilog=examples("remit secret leases", "remit secret leases --end LEASE --wait"))(leases)


def leases(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of one secret.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    end: Annotated[str | None, typer.Option("--end", metavar="LEASE", help="Take this one away.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="With --end: until its provider says that it is gone.")] = False,
    json: Json = False,
    as_: As = None,
) -> int:
    """List credentials that were made for one instance each: who has what, until when; or take one away."""
    api = connect(as_)
    if end is not None:
        return _end(api, end, wait=wait, json=json)
    asked = [*([f"secret={segment(name)}"] if name else []), *(["all=true"] if every else [])]
    answer = api.get("/v1/leases" + ("?" + "&".join(asked) if asked else ""))
    if json:
        data_json(answer)
    elif not answer["leases"]:
        nothing("leases", next_="one is made when a call needs it")
    else:
        table(_COLUMNS, [[_cell(row, column) for column in _COLUMNS] for row in answer["leases"]])
    return Exit.OK


def _end(api: Api, lease: str, *, wait: bool, json: bool) -> int:
    answer = api.post(f"/v1/leases/{segment(lease)}/end", {})
    told = ""
    while wait and answer["state"] != _ENDED:
        if answer["told"] != told and not json:
            talk(f"  {answer['told']}")
        told = answer["told"]
        time.sleep(_LOOK)
        answer = api.get(f"/v1/leases/{segment(lease)}")
    if json:
        data_json(answer)
    elif answer["state"] == _ENDED:
        data_text(f"{lease}: gone at its provider")
    else:
        data_text(f"{lease}: no call gets it any more; it is being taken away")
        talk(f"  try      remit secret leases {answer['secret']} --all")
    return Exit.OK


def _cell(row: dict[str, Any], column: str) -> str:
    value = row[column] or "-"
    return f"{value[:12]}..." if column == "instance" and len(value) > 15 else str(value)  # noqa: PLR2004 - a thumbprint
