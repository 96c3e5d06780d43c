"""Finding a secret in what a server sends back (pure): as it is, and in the usual encodings.

Best effort: it stops a server that echoes request headers, not one that wants to smuggle.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote

_SHORTEST = 8  # a shorter value stands in ordinary text by chance


def forms(value: bytes) -> frozenset[bytes]:
    """The byte strings that give `value` away; none for a value too short to be told from text."""
    if len(value) < _SHORTEST:
        return frozenset()
    text = value.decode("utf-8", "replace")
    found = {
        value,
        value.hex().encode(),
        value.hex().upper().encode(),
        json.dumps(text)[1:-1].encode(),
        json.dumps(text)[1:-1].replace("/", "\\/").encode(),
        quote(text, safe="").encode(),
    }
    for offset in range(3):
        inner = _base64_inner(value, offset)
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return frozenset(found)


def _base64_inner(value: bytes, offset: int) -> bytes:
    """The base64 characters that depend on `value` alone where it stands `offset` bytes (mod 3) into a longer text."""
    encoded = b64encode(bytes(offset) + value)
    first = -(-offset * 8 // 6)  # rounded up: a character shared with what stands before is left out
    return encoded[first : (offset + len(value)) * 8 // 6]


class Scanner:
    """Looks through one response, chunk by chunk, also across the borders of chunks."""

    __slots__ = ("_found", "_keep", "_needles", "_tail")

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._needles = tuple(needles)
        self._keep = max(map(len, self._needles), default=1) - 1
        self._tail = b""
        self._found = False

    def feed(self, chunk: bytes) -> bool:
        """Whether a secret has been seen, in this chunk or before. The chunk that completes it must not be sent on."""
        if not self._found and self._needles:
            text = self._tail + chunk
            self._found = any(needle in text for needle in self._needles)
            self._tail = text[-self._keep :] if self._keep else b""
        return self._found
