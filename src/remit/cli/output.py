"""What commands print: data on stdout, talk on stderr, colour only on a terminal.

Names and texts come from servers and agents that may be hostile, so nothing reaches the
terminal with control or direction-changing characters in it (terminal escape injection), and
nothing that they say can begin a line of its own, or be pushed to where one would begin.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# Controls (a tab and a line's end have a meaning here), what reorders or hides what stands beside it, other ways to
# end a line (U+2028, U+2029), tags, private use, and what no encoding has or nobody has assigned yet.
_UNSAFE = frozenset({"Cc", "Cf", "Cn", "Cs", "Co", "Zl", "Zp"})
_DRAWN_AS_NOTHING = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_BLANKS = re.compile(r" {3,}")
_BASIC = 0xFFFF  # the last character that four digits say
_PIPE_WIDTH = 240
_PATIENCE = 1.0  # seconds of silence before a person is told what is waited for


def plain(value: object) -> str:
    """`value` as text that is safe to print on a terminal; it may have several lines."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if _unsafe(char) and char not in "\t\n" else char for char in text)


def foreign(value: object) -> str:
    """What somebody else said (a server, an agent) as one line, in which nothing stands for another line of ours.

    Ends of lines and tabs are written out, blanks of every kind are one kind, and more than two of them are counted:
    enough of them push what comes next to where a terminal begins a line.
    """
    text = "".join(" " if unicodedata.category(char) == "Zs" else char for char in str(value))
    text = "".join(_escaped(char) if _unsafe(char) else char for char in text)
    return _BLANKS.sub(lambda blanks: f" \u27e8{len(blanks[0])} blanks\u27e9 ", text)


def _unsafe(char: str) -> bool:
    return unicodedata.category(char) in _UNSAFE or char in _DRAWN_AS_NOTHING


def _escaped(char: str) -> str:
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char)
    return known or (f"\\u{ord(char):04x}" if ord(char) <= _BASIC else f"\\U{ord(char):08x}")


def _line(text: str) -> str:
    return plain(text).replace("\n", "\\n")


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
    """Print one line of data on stdout. A foreign part of it goes through `foreign` first."""
    _console(stderr=False).print(_line(text), style=style)


def data_block(text: str) -> None:
    """Print data that has several lines, as it is but safe, on stdout."""
    _console(stderr=False).print(plain(text))


def talk(text: str, *, style: str | None = None) -> None:
    """Print one line of talk on stderr. A foreign part of it goes through `foreign` first."""
    _console(stderr=True).print(_line(text), style=style)


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
    """Print rows on stdout under their column names; on a terminal, what has a page in the console leads there."""
    from rich.style import Style  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    from remit.cli.pages import addresses  # noqa: PLC0415 - it says what it finds by `talk`

    leads = addresses() if sys.stdout.isatty() else lambda *_: None
    grid = Table(box=None, pad_edge=False, show_edge=False)
    for name in columns:
        grid.add_column(name, overflow="fold", header_style="bold")
    for row in rows:
        cells = zip(columns, row, strict=False)
        grid.add_row(*(Text(_cell(value), style=Style(link=leads(name, value))) for name, value in cells))
    _console(stderr=False).print(grid)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, (list, tuple)):
        return foreign(", ".join(str(member) for member in value)) or "-"
    return foreign(value)


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
    for at, line in enumerate(because.split("\n") if because else ()):
        talk(line if at else f"  because  {line}")
    if try_:
        talk(f"  try      {try_}")


def error_object(code: str, what: str, *, because: str, try_: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """The error as `--json` prints it."""
    return {"error": {"code": code, "title": what, "detail": because, "try": try_, **more}}
