"""Bytes to lines and to JSON values, a piece at a time: no file is ever held whole.

A line, or a value, that is longer than it may be is passed over and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from remit.kernel.errors import Malformed

MOST: Final = 1 << 20  # bytes of one line or value
_OPEN, _CLOSE, _QUOTE, _BACKSLASH = b"{["[0], b"}]"[0], b'"'[0], b"\\"[0]
_MARKS: Final = re.compile(rb'["{}\[\]]')
_IN_TEXT: Final = re.compile(rb'["\\]')
_CUT: Final = b""


class Piece(NamedTuple):
    """One line or value with its number, counted from 1; None if it is too long."""

    number: int
    body: bytes | None


def lines(chunks: Iterable[bytes], *, most: int = MOST) -> Iterator[Piece]:
    """The lines of a file, without their ends. Empty ones are counted and left out."""
    number, held, over = 0, bytearray(), False
    for chunk in chunks:
        at = 0
        while (end := chunk.find(b"\n", at)) >= 0:
            number += 1
            over = over or len(held) + end - at > most
            if over:
                yield Piece(number, None)
            elif (line := bytes(held) + chunk[at:end]).strip():
                yield Piece(number, line.rstrip(b"\r"))
            held, over, at = bytearray(), False, end + 1
        over = over or len(held) + len(chunk) - at > most
        held += b"" if over else chunk[at:]
    if over:
        yield Piece(number + 1, None)
    elif held.strip():
        yield Piece(number + 1, bytes(held))


def values(chunks: Iterable[bytes], *, depth: int, most: int = MOST) -> Iterator[Piece]:
    """The objects and lists that begin `depth` levels deep in a JSON text, in order, as they stand there.

    Raises:
        Malformed: The text ends in the middle, or closes what it did not open. What came before stands.
    """
    scan = _Scan(depth, most)
    for chunk in chunks:
        yield from scan.feed(chunk)
    if scan.level or scan.in_text:
        raise Malformed("the file ends in the middle of a record", try_="fetch it again, and import it again")


class _Scan:
    """Where a text stands: how deep, whether in a string, and what of a value was seen."""

    def __init__(self, depth: int, most: int) -> None:
        self.level, self.in_text = 0, False
        self._depth, self._most = depth, most
        self._escaped = False
        self._number = 0
        self._held: bytearray | None = None  # the value that has begun
        self._over = False

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        at = start = 0  # `start`: from where the value that has begun stands in this chunk
        while at < len(chunk):
            if self.in_text:
                at = self._text(chunk, at)
                continue
            mark = _MARKS.search(chunk, at)
            if mark is None:
                break
            at = mark.end()
            sign = chunk[mark.start()]
            if sign == _QUOTE:
                self.in_text = True
            elif sign in b"{[":
                if self.level == self._depth:
                    self._held, self._over, start = bytearray(), False, mark.start()
                self.level += 1
            else:
                self.level -= 1
                if self.level < 0:
                    raise Malformed("a bracket is closed that was not opened")
                if self.level == self._depth and self._held is not None:
                    self._keep(chunk[start:at])
                    yield self._done()
        if self._held is not None:
            self._keep(chunk[start:])

    def _text(self, chunk: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        mark = _IN_TEXT.search(chunk, at)
        if mark is None:
            return len(chunk)
        if chunk[mark.start()] == _QUOTE:
            self.in_text = False
        else:
            self._escaped = True
        return mark.end()

    def _keep(self, part: bytes) -> None:
        if self._held is None:
            return
        self._over = self._over or len(self._held) + len(part) > self._most
        self._held = bytearray() if self._over else self._held + part

    def _done(self) -> Piece:
        self._number += 1
        body = None if self._over else bytes(self._held or _CUT)
        self._held = None
        return Piece(self._number, body)


def head(chunks: Iterable[bytes], most: int) -> tuple[bytes, Iterator[bytes]]:
    """Up to about `most` first bytes, and all chunks again."""
    rest = iter(chunks)
    first: list[bytes] = []
    size = 0
    for chunk in rest:
        first.append(chunk)
        size += len(chunk)
        if size >= most:
            break
    return b"".join(first), _again(first, rest)


def _again(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from rest
