"""What commands print: data on stdout, talk on stderr, colour only on a terminal.

Names and texts come from servers and agents that may be hostile, so nothing reaches the
terminal with control or direction-changing characters in it (terminal escape injection).
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# C0 and C1 controls, and the Unicode characters that reorder or hide what stands beside them.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_PIPE_WIDTH = 240
_PATIENCE = 1.0  # seconds of silence before a person is told what is waited for


def plain(value: object) -> str:
    """`value` as text that is safe to print on a terminal."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", str(value))


def _console(*, stderr: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second that --json does not pay

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH

    class Outliving(Console):
        """Goes on when its reader is gone; the library's own ends the process, with 1."""

        def on_broken_pipe(self) -> None:
            let_go(stream)

    return Outliving(file=stream, highlight=False, markup=False, emoji=False, width=width, soft_wrap=True)


def let_go(stream: TextIO) -> None:
    """Write to nobody from here on: the reader of `stream` went away, as in `remit ... | head`.

    The command goes on, because scripts stand on its exit code: one that says whether a policy widens must not say
    otherwise because nobody read to the end.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def finish() -> None:
    """Write what is still kept back, so that the interpreter finds nothing to fail at when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            let_go(stream)


def _number(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)


def data_json(value: object) -> None:
    """Print one JSON object on one line of stdout."""
    data_lines([json.dumps(value, ensure_ascii=True, default=_number, separators=(", ", ": ")) + "\n"])


def data_lines(lines: Iterable[str]) -> None:
    """Print lines of data on stdout as they are, at once."""
    try:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    except BrokenPipeError:
        let_go(sys.stdout)


def data_text(text: str, *, style: str | None = None) -> None:
    """Print one line of data on stdout."""
    _console(stderr=False).print(plain(text), style=style)


def talk(text: str, *, style: str | None = None) -> None:
    """Print one line of talk on stderr."""
    _console(stderr=True).print(plain(text), style=style)


@contextmanager
def patiently(what: str) -> Iterator[None]:
    """Say on stderr what is waited for, if it takes longer than a person waits without wondering."""
    timer = threading.Timer(_PATIENCE, talk, (what,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # what it says stands before what comes next


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows on stdout under their column names."""
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    grid = Table(box=None, pad_edge=False, show_edge=False)
    for name in columns:
        grid.add_column(name, overflow="fold", header_style="bold")
    for row in rows:
        grid.add_row(*(Text(_cell(value)) for value in row))
    _console(stderr=False).print(grid)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, (list, tuple)):
        return plain(", ".join(str(member) for member in value)) or "-"
    return plain(value)


def facts(values: Mapping[str, object]) -> None:
    """Print `name  value` lines on stdout, aligned."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        data_text(f"{name.ljust(width)}  {_cell(value)}")


def nothing(what: str, *, next_: str) -> None:
    """Say on stderr that a list is empty, and what to type next."""
    talk(f"no {what} yet")
    talk(f"  try      {next_}")


def complain(what: str, *, because: str = "", try_: str = "") -> None:
    """Print an error in its three parts on stderr."""
    talk(f"✗ {what}", style="bold red")
    if because:
        talk(f"  because  {because}")
    if try_:
        talk(f"  try      {try_}")


def error_object(code: str, what: str, *, because: str, try_: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """The error as `--json` prints it."""
    return {"error": {"code": code, "title": what, "detail": because, "try": try_, **more}}
