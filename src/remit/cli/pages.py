"""Where the console shows what a command just named: the last line of what it says to a person."""

from __future__ import annotations

import contextlib
import os

from remit.cli.locate import Unreachable, find
from remit.cli.output import talk
from remit.cli.wire import segment


def page(*names: str) -> str:
    """The address of a page of the console: its section, then the names of what it shows, each as one segment."""
    return "/".join((f"{find(os.environ).url}/console", *map(segment, names)))


def see(*names: str) -> None:
    """Say on stderr where that page is; nothing where no instance is known."""
    with contextlib.suppress(Unreachable):
        talk(f"  see      {page(*names)}")
