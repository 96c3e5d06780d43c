"""Reading a bundle as it is stored, as far as it can be read. Pure.

The writer's own reader stops at the first damage. A verifier has to go on: it must say which
entry was hit, so it takes what comes out of the stream before the damage and compares.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgspec

from remit.kernel.canonical import canonical
from remit.kernel.errors import Malformed

VERSION = 1  # of headers and payloads
_LENGTH = 4
_MAX_FRAMED = 1 << 28  # a row edited into a decompression bomb must not take the verifier down
_PART = 1 << 15  # bytes that are inflated at a time; as many again as there are of a frame that is longer
_decode = msgspec.json.Decoder().decode
_length = struct.Struct(">I").unpack_from
_sorted = msgspec.json.Encoder(order="sorted").encode
_PLAIN = frozenset({str, bool, type(None)})
_BIG = 2**53


def place(entry_id: str) -> tuple[str | int, ...]:
    """The place a payload is sealed for: it opens nowhere else."""
    return ("payloads", entry_id, VERSION)


def read_bundle(stored: object, count: object) -> tuple[list[bytes], str]:
    """The headers in a stored bundle that should hold `count`, and what is wrong with it ("" if nothing).

    With damage, the headers are those before it. Their bytes may be wrong all the same: only
    their hashes tell.
    """
    if not isinstance(stored, bytes) or type(count) is not int or count < 1:
        return [], "the row is no bundle"
    framed, problem = _inflate(stored)
    headers, rest = frames(framed)
    if rest or len(headers) != count:
        problem = problem or f"it holds {len(headers)} entries, its row says {count}"
    return headers[:count], problem


class Unfolding:
    """The headers of a bundle, inflated only as far as they are asked for: a page needs few of many bundles.

    They are those that `read_bundle` finds.
    """

    def __init__(self, stored: object, count: object) -> None:
        """Nothing is inflated yet."""
        good = isinstance(stored, bytes) and type(count) is int and count > 0
        self._stream: Any = zlib.decompressobj() if good else None
        self._left = self._stored = stored if isinstance(stored, bytes) else b""
        self._framed = b""  # what is inflated and in no whole frame yet
        self._inflated = 0
        self._headers: list[bytes] = []
        self.count = count if type(count) is int else 0

    def at(self, slot: int) -> bytes | None:
        """The header at a place from 0 on; None where there is none that can be read."""
        if not 0 <= slot < self.count:
            return None
        while len(self._headers) <= slot and self._stream is not None:
            self._go_on()
        return self._headers[slot] if slot < len(self._headers) else None

    def _go_on(self) -> None:
        try:
            most = min(max(_PART, len(self._framed)), _MAX_FRAMED - self._inflated + 1)
            part = self._stream.decompress(self._left, most)
        except zlib.error:  # zlib drops what came before the damage
            self._headers, self._stream = read_bundle(self._stored, self.count)[0], None
            return
        self._left, self._inflated = self._stream.unconsumed_tail, self._inflated + len(part)
        self._framed += part
        found, rest = frames(self._framed)
        self._headers += found
        self._framed = self._framed[len(self._framed) - rest :]
        if self._stream.eof or not part or self._inflated > _MAX_FRAMED:
            self._stream = None


def _inflate(stored: bytes) -> tuple[bytes, str]:
    stream = zlib.decompressobj()
    try:
        framed = stream.decompress(stored, _MAX_FRAMED)
    except zlib.error as error:
        return _inflate_slowly(stored), f"it does not decompress ({error})"
    if not stream.eof or stream.unused_data:
        return framed, "it is not one whole compressed stream"
    return framed, ""


def _inflate_slowly(stored: bytes) -> bytes:
    """What comes out before the damage: byte by byte, because zlib drops the output of a call that fails."""
    stream, framed = zlib.decompressobj(), bytearray()
    try:
        for at in range(len(stored)):
            framed += stream.decompress(stored[at : at + 1])
            if len(framed) > _MAX_FRAMED:
                break
    except zlib.error:
        pass
    return bytes(framed)


def frames(framed: bytes) -> tuple[list[bytes], int]:
    """The whole frames (4-byte big-endian length, bytes), and how many bytes are left over."""
    parts: list[bytes] = []
    at, end = 0, len(framed)
    while end - at >= _LENGTH:
        start = at + _LENGTH
        stop = start + _length(framed, at)[0]
        if stop > end:
            break
        parts.append(framed[start:stop])
        at = stop
    return parts, end - at


def header(entry: bytes) -> dict[str, Any]:
    """An entry's header.

    Raises:
        Malformed: Not canonical JSON (another reader could read it differently), or no header of this version.
    """
    try:
        found = _decode(entry)
        whole = _sorted(found) == entry if _plain(found) else canonical(found) == entry
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("an entry is not JSON", detail=str(error)) from error
    if not whole or not isinstance(found, dict) or found.get("v") != VERSION:
        raise Malformed("an entry is not a canonical header of version 1")
    if not isinstance(found.get("id"), str) or not isinstance(found.get("kind"), str):
        raise Malformed("an entry has no id or kind")
    return found


def _plain(found: object) -> bool:
    """Whether sorting alone makes it canonical: flat, with ASCII keys, and no number that is not exact everywhere."""
    if type(found) is not dict or not "".join(found).isascii():
        return False
    return all((kind := type(value)) in _PLAIN or (kind is int and -_BIG < value < _BIG) for value in found.values())
