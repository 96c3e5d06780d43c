"""`remit demo`: live agents, governed, in one terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from remit.cli.options import examples
from remit.kernel.errors import Malformed


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog=examples("remit demo", "remit demo --keep"))(demo)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Tell the story headless; exit 0 only if each step was seen.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the instance: its data where `remit up` looks, its files here.")
    ] = False,
) -> int:
    """Show live agents, governed. Ctrl-C stops everything.

    Two MCP servers and three agents run behind a Remit of their own.
    """
    if once and keep:
        raise Malformed("--once clears everything away", try_="remit demo --keep")
    from remit.demo.main import run  # noqa: PLC0415 - the demo is loaded when it is asked for

    return run(once=once, keep=keep)
