"""Where the console shows what a command just named: the last line of what it says to a person."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

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


def addresses() -> Callable[[str, object], str | None]:
    """Says where the page is of what stands in a column of a table; None if it has none, or no instance is known."""
    try:
        base = page()
    except RemitError:
        return lambda _column, _value: None
    return lambda column, value: f"{base}/{of}/{segment(str(value))}" if (of := section(column, value)) else None
