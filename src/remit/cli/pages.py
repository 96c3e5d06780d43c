"""Where the console shows what a command just named: the last line of what it says to a person."""

from __future__ import annotations

import contextlib
import os

from remit.cli.links import section
from remit.cli.locate import Unreachable, find
from remit.cli.output import talk
from remit.cli.wire import segment
from remit.kernel.errors import RemitError


def page(*names: str) -> str:
    """The address of a page of the console: its section, then the names of what it shows, each as one segment."""
    return "/".join((f"{find(os.environ).url}/console", *map(segment, names)))


def see(*names: str) -> None:
    """Say on stderr where that page is; nothing where no instance is known."""
    with contextlib.suppress(Unreachable):
        talk(f"  see      {page(*names)}")


def address(column: str, value: object) -> str | None:
    """Where the page of what stands in that column of a table is; None if it has none, or no instance is known."""
    of = section(column, value)
    with contextlib.suppress(RemitError):
        return page(of, str(value)) if of else None
    return None
