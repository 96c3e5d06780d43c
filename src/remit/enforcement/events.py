"""Server-sent events (WHATWG HTML section 9.2.6), read piece by piece and written whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from remit.kernel.errors import TooLarge

_LINE_END = re.compile(rb"\r\n|\n|\r")
PING = b": ping\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` is empty for a comment, which only keeps the connection open."""

    data: bytes
    name: bytes = b"message"


class EventReader:
    """Turns chunks of bytes into events; whatever their borders."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._name = b""
        self._began = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes.

        Raises:
            TooLarge: One event is over the limit.
        """
        text = self._rest + chunk
        if not self._began and text:
            if b"\xef\xbb\xbf".startswith(text[:3]) and len(text) < 3:  # noqa: PLR2004 - a byte order mark's length
                self._rest = text
                return []
            text = text.removeprefix(b"\xef\xbb\xbf")
            self._began = True
        # A CR at the end may be half of a CRLF.
        held = text[-1:] == b"\r"
        lines = _LINE_END.split(text[:-1] if held else text)
        self._rest = lines.pop() + (b"\r" if held else b"")
        events = [event for line in lines if (event := self._line(line)) is not None]
        if self._size + len(self._rest) > self._limit:
            raise TooLarge("an event of the server's answer is too large")
        return events

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return Event(b"", b"")
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value) + 1
        elif field == b"event":
            self._name = value
        # `id` and `retry` are not passed on: a stream is not resumed through the gateway.
        return None

    def _dispatch(self) -> Event | None:
        data, name = b"\n".join(self._data), self._name or b"message"
        self._data, self._size, self._name = [], 0, b""
        return Event(data, name) if data else None


def written(data: bytes) -> bytes:
    """One `message` event. A line break between JSON tokens becomes a space, so that it stays one line."""
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r", b" ").replace(b"\n", b" ")
    return b"event: message\r\ndata: " + data + b"\r\n\r\n"
