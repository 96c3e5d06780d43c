"""The native usage format: one line, one event (docs/usage-format.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from remit.certification.usage.ingest import Line
from remit.certification.usage.line import event_of
from remit.certification.usage.model import RefusedLine
from remit.connectors.mapping import Mapping
from remit.connectors.model import Read, begun
from remit.connectors.stream import MOST, lines
from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed

TOO_LONG = f"longer than {MOST} bytes"


def read(chunks: Iterable[bytes], _mapping: Mapping, source: str) -> Iterator[Read]:
    """The events of a file.

    Raises:
        Malformed: It is no file of this format.
    """
    return begun(_read(chunks, source), what="a usage file", try_="docs/usage-format.md says what a line is")


def _read(chunks: Iterable[bytes], source: str) -> Iterator[Read]:
    for number, body in lines(chunks):
        yield RefusedLine(number, TOO_LONG) if body is None else one(number, body, source)


def one(number: int, body: bytes, source: str) -> Line | RefusedLine:
    """One line."""
    try:
        return Line(number, event_of(parse(body), source=source))
    except Malformed as error:
        return RefusedLine(number, error.public)


def parsed(said: Sequence[Any], source: str) -> list[Line | RefusedLine]:
    """Lines that were read as JSON already, counted from 1."""
    found: list[Line | RefusedLine] = []
    for number, each in enumerate(said, 1):
        try:
            found.append(Line(number, event_of(each, source=source)))
        except Malformed as error:
            found.append(RefusedLine(number, error.public))
    return found
