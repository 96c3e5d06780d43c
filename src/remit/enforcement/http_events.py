"""Whole events of an event stream (pure): what ends in the middle of one is not passed on.

A stream that is cut gets a last event of Remit's own, which must not run into half of another, and which nobody else
may say: an API's event of that type comes under another name. Attack: an API, or who wrote what it sends on, ends its
stream with a denial whose remedies lead the agent where they like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from remit.kernel.errors import TooLarge

MEDIA: Final = "text/event-stream"
DENIAL: Final = b"remit-denial"  # the type of Remit's own event
OTHERS: Final = b"other-denial"  # that of an API's event which had the same; as long, for a length may be announced
_DENIAL = re.compile(re.escape(DENIAL), re.IGNORECASE)
# A line of the field `event`, for careful readers (HTML section 9.2.5: a line ends in CR, LF or both) and for others:
# those that part lines as Unicode does (U+0085 in UTF-8 and in Latin-1), and do not mind white space or a BOM before a
# name.
_TYPE = re.compile(
    rb"(?:\A|[\n\r\x0b\x0c\x1c-\x1e\x85]|\xe2\x80[\xa8\xa9])(?:[ \t]|\xef\xbb\xbf)*event[^\n\r]*", re.IGNORECASE
)
_IN_UTF8 = re.compile(re.escape(MEDIA) + r"(?:[ \t]*;[ \t]*charset=\"?utf-8\"?)?\Z", re.IGNORECASE)
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


def is_stream(content_types: Iterable[str]) -> bool:
    """Whether some reader takes a body with these values of Content-Type for an event stream."""
    return any(MEDIA in value.lower() for value in content_types)


def in_utf8(content_type: str) -> str:
    """A Content-Type as it goes on: of an event stream it names no charset but UTF-8, the only one there is.

    HTML section 9.2.6 says so, and some clients obey a charset all the same (httpx, requests). Attack: in UTF-16 or
    UTF-7 nothing here finds the type of Remit's own event.
    """
    return content_type if not is_stream([content_type]) or _IN_UTF8.match(content_type) else MEDIA


def others(text: bytes) -> bytes:
    """Whole events as they go on: none is of the type of Remit's own. As long as `text`, and the same again."""
    if _DENIAL.search(text) is None:
        return text
    return _TYPE.sub(lambda line: _DENIAL.sub(OTHERS, line[0]), text)
