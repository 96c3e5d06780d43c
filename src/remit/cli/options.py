"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="PERSON", help="Act as this person; only where the server runs with --dev."),
]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of YAML and Cedar files.")]


def examples(first: str, second: str) -> str:
    """The two examples at the end of a command's help, one to a line."""
    return f"\b\nExamples:\n  {first}\n  {second}"


def group(help_: str) -> typer.Typer:
    """A noun, whose commands are its verbs."""
    return typer.Typer(help=help_, no_args_is_help=True, rich_markup_mode=None, add_completion=False)
