"""`remit doctor`: is it well, and if not, what to do."""

from __future__ import annotations

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, talk
from remit.cli.wire import connect

_SIGN = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red")}


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog=examples("remit doctor", "remit doctor --json"))(doctor)


def doctor(json: Json = False, as_: As = None) -> int:
    """Check the server: clock, database, log, keys, servers, posture. Exit 1 if anything fails."""
    answer = connect(as_).get("/v1/doctor")
    if json:
        data_json(answer)
    else:
        for check in answer["checks"]:
            sign, style = _SIGN[check["status"]]
            data_text(f"{sign} {check['check']}  {check['detail']}", style=style)
            if check.get("try"):
                talk(f"  try      {check['try']}")
    return Exit.UNEXPECTED if any(check["status"] == "fail" for check in answer["checks"]) else Exit.OK
