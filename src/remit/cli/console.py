"""`remit console`: a link that signs you in to the console, once."""

from __future__ import annotations

import typer

from remit.cli.exits import Exit
from remit.cli.options import As, Json, examples
from remit.cli.output import data_json, data_text, talk
from remit.cli.wire import connect


def add(root: typer.Typer) -> None:
    """Add the command."""

    @root.command("console", epilog=examples("remit console", "remit console --json"))
    def console(json: Json = False, as_: As = None) -> int:
        """Make a link that signs you in to the console.

        It works once, within ten minutes, and signs in whoever opens it as you.
        """
        answer = connect(as_).post("/v1/console/links", {})
        if json:
            data_json(answer)
        else:
            data_text(answer["url"])
            talk(f"  works once, for {answer['valid_seconds'] // 60} minutes; open it in a browser")
        return Exit.OK
