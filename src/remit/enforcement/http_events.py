"""Whole events of an event stream (pure): what ends in the middle of one is not passed on.

A stream that is cut gets a last event of Remit's own, which must not run into half of another.
"""

from __future__ import annotations

import re

from remit.kernel.errors import TooLarge

_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


class WholeEvents:
    """Parts a stream behind its blank lines (HTML, server-sent events).

    Args:
        most: Bytes of one event.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that have come; empty if none has ended.

        Raises:
            TooLarge: One event is over the limit.
        """
        text = self._rest + chunk
        end = 0
        for found in _BLANK.finditer(text):
            # A CR at the very end may be the first half of a CRLF, so what it would end waits for the next chunk.
            if found.end() < len(text) or not text.endswith(b"\r"):
                end = found.end()
        self._rest = text[end:]
        if len(self._rest) > self._most:
            raise TooLarge("an event is too large")
        return text[:end]
