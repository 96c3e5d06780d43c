"""JSON files of events: lines, one list, or objects over several lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from remit.certification.usage.model import RefusedLine
from remit.connectors.model import Read
from remit.connectors.stream import MOST, Piece, head, lines, values
from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed

Understand = Callable[[int, Any], Iterable[Read]]
"""What the JSON value with this number says.

Raises:
    Malformed: Nothing that is understood.
"""
_LOOK: Final = 1 << 16


def each(chunks: Iterable[bytes], understand: Understand, *, most: int = MOST) -> Iterator[Read]:
    """Every value of a file, understood. One that is not is refused with its number, and the next is read."""
    for number, body in pieces(chunks, most):
        if body is None:
            yield RefusedLine(number, f"longer than {most} bytes")
            continue
        try:
            yield from understand(number, parse(body))
        except Malformed as error:
            yield RefusedLine(number, error.public)


def pieces(chunks: Iterable[bytes], most: int) -> Iterator[Piece]:
    """By lines, unless the first one shows that a value goes on over several."""
    first, again = head(chunks, _LOOK)
    start = first.lstrip()
    if start.startswith(b"["):
        return values(again, depth=1, most=most)
    if start.startswith(b"{") and b"\n" in start and not _whole(start.partition(b"\n")[0]):
        return values(again, depth=0, most=most)
    return lines(again, most=most)


def _whole(line: bytes) -> bool:
    """Whether a line is balanced, so that a value may end there. A damaged one is refused later, by itself."""
    try:
        return sum(1 for _ in values((line,), depth=0)) > 0
    except Malformed:
        return line.rstrip().endswith(b"}")
