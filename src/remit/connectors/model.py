"""What a connector makes of a record: an event, a line that it passed over, or one that it did not understand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from remit.certification.usage.ingest import Line
from remit.certification.usage.model import RefusedLine
from remit.connectors.mapping import Mapping
from remit.kernel.errors import Malformed, TooLarge


class Passed(NamedTuple):
    """A record that was understood and is about no agent: nothing is missing because of it."""

    line: int
    why: str


Read = Line | RefusedLine | Passed
Connector = Callable[[Iterable[bytes], Mapping, str], Iterator[Read]]
"""Reads the bytes of a file of one format, with a mapping, as what a source of this name tells."""

_FIRST = 10


def begun(reads: Iterator[Read], *, what: str, try_: str) -> Iterator[Read]:
    """`reads`, if something of its first records was understood: else the file is not `what` at all.

    A file that breaks off later is refused from there on; what came before stands.

    Raises:
        Malformed: Nothing was.
    """
    first: list[Read] = []
    for read in reads:
        first.append(read)
        if not isinstance(read, RefusedLine) or len(first) >= _FIRST:
            break
    if first and all(isinstance(read, RefusedLine) for read in first):
        raise Malformed(f"this is not {what}", detail=f"record {first[0].line}: {_reason(first[0])}", try_=try_)
    last = 0
    for read in first:
        last = read.line
        yield read
    try:
        for read in reads:
            last = read.line
            yield read
    except (Malformed, TooLarge) as error:
        yield RefusedLine(last + 1, error.public)


def _reason(read: Read) -> str:
    return read.reason if isinstance(read, RefusedLine) else ""
