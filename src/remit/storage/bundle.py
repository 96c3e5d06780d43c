"""How the entries of one commit stand in a row: framed by their lengths, headers compressed.

A frame is a 4-byte big-endian length and that many bytes; frames follow each other without
anything between. Payloads use the same framing without compression (ciphertext does not
shrink), and a zero length where an entry has none.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from remit.kernel.errors import IntegrityFailed

_LENGTH = 4
_LEVEL = 1  # the writer waits for it, and a higher level saves a tenth of the space for twice the time
_SMALL = 4096  # bytes: no longer than the small window, so it shrinks as well there
_SMALL_WINDOW, _SMALL_MEMORY = 12, 4  # 20 KiB to set up instead of 260: 7 us instead of 50 for one decision
_MAX_BUNDLE = 1 << 30  # a row edited into a decompression bomb must not take the verifier down


def pack(parts: Sequence[bytes]) -> bytes:
    """Frame `parts` one after the other."""
    return b"".join([piece for part in parts for piece in (len(part).to_bytes(_LENGTH, "big"), part)])


def unpack(framed: bytes) -> list[bytes]:
    """The parts that `pack` framed.

    Raises:
        IntegrityFailed: A length runs past the end, so the row was cut or edited.
    """
    parts: list[bytes] = []
    at, end = 0, len(framed)
    while at < end:
        start = at + _LENGTH
        at = start + int.from_bytes(framed[at:start], "big")
        if start > end or at > end:
            raise IntegrityFailed("a bundle of the log is damaged", detail="a frame runs past the end")
        parts.append(framed[start:at])
    return parts


def compress(framed: bytes) -> bytes:
    """Framed headers as they are stored: a zlib stream."""
    if len(framed) > _SMALL:
        return zlib.compress(framed, _LEVEL)
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _SMALL_WINDOW, _SMALL_MEMORY)
    return stream.compress(framed) + stream.flush()


def decompress(stored: bytes) -> bytes:
    """The framed headers that `compress` stored.

    Raises:
        IntegrityFailed: Not one whole zlib stream, or one of absurd size.
    """
    stream = zlib.decompressobj()
    try:
        framed = stream.decompress(stored, _MAX_BUNDLE)
    except zlib.error as error:
        raise IntegrityFailed("a bundle of the log is damaged", detail=str(error)) from error
    if not stream.eof or stream.unused_data:
        raise IntegrityFailed("a bundle of the log is damaged", detail="not one whole zlib stream")
    return framed
