"""The first message of a TLS connection, as far as it says whom it is for (pure).

What passes through a tunnel is not read; this is, because a client may ask the proxy for one host and the server
behind that address for another (domain fronting). RFC 8446 section 4.1.2, RFC 6066 section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from remit.kernel.errors import Malformed

MOST: Final = 1 << 15  # bytes; real ones are below 2 KiB, with post-quantum keys too
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_MAJOR: Final = 3  # of every version: SSL 3.0 to TLS 1.3
_HEAD, _TYPED = 5, 4  # bytes before a record, and before a handshake message
_RECORD: Final = 1 << 14  # RFC 8446 section 5.1
_NAME_EXTENSION, _HOST_NAME = 0, 0
_ENCRYPTED: Final = 0xFE0D  # RFC 9849: the name inside it is nobody's to see
_MAX_NAME: Final = 253


@dataclass(frozen=True, slots=True)
class Hello:
    """What a ClientHello says of its server. `name` is in lower case; empty where it names none."""

    name: str
    hidden: bool  # it may carry another name, which cannot be read


class _Bytes:
    """Reads vectors whose length stands before them."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def take(self, size: int) -> bytes:
        found = self._octets[self._at : self._at + size]
        if len(found) != size:
            raise Malformed("the ClientHello ends within a field")
        self._at += size
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))

    @property
    def done(self) -> bool:
        return self._at == len(self._octets)


def read(octets: bytes) -> Hello | None:
    """What the beginning of a connection says; None while more of it must come.

    Raises:
        Malformed: It is no ClientHello, or one that has no one reading.
    """
    handshake = _handshake(octets)
    if handshake is None:
        if len(octets) > MOST:
            raise Malformed("the ClientHello is too long")
        return None
    return _hello(handshake)


def _handshake(octets: bytes) -> bytes | None:
    """The body of the first handshake message, put together from its records; None while it is not whole."""
    found, at = bytearray(), 0
    while (size := _record(octets[at : at + _HEAD])) is not None:
        found += octets[at + _HEAD : at + _HEAD + size]
        if (whole := _message(bytes(found))) is not None:
            return whole
        at += _HEAD + size
        if at > len(octets):
            return None
    return None


def _record(head: bytes) -> int | None:
    """The length of the record that begins so; None while that is not there."""
    if (head[:1] and head[0] != _HANDSHAKE) or (head[1:2] and head[1] != _MAJOR):
        raise Malformed("what comes first is no TLS handshake")
    if len(head) < _HEAD:
        return None
    size = int.from_bytes(head[3:], "big")
    if not 0 < size <= _RECORD:
        raise Malformed("a TLS record of that length is not sent")
    return size


def _message(found: bytes) -> bytes | None:
    if found and found[0] != _CLIENT_HELLO:
        raise Malformed("what comes first is no ClientHello")
    length = int.from_bytes(found[1:_TYPED], "big")
    if length > MOST:
        raise Malformed("the ClientHello is too long")
    if len(found) > _TYPED + length:
        raise Malformed("something follows the ClientHello")  # a client waits for its answer first
    return bytes(found[_TYPED:]) if len(found) == _TYPED + length else None


def _hello(body: bytes) -> Hello:
    fields = _Bytes(body)
    fields.take(2 + 32)  # legacy_version, random
    fields.vector(1)  # legacy_session_id
    fields.vector(2)  # cipher_suites
    fields.vector(1)  # legacy_compression_methods
    if fields.done:
        return Hello("", hidden=False)
    extensions = _Bytes(fields.vector(2))
    if not fields.done:
        raise Malformed("something follows the ClientHello")
    seen: dict[int, bytes] = {}
    while not extensions.done:
        kind = extensions.number(2)
        if kind in seen:
            raise Malformed("an extension stands in the ClientHello twice")  # RFC 8446 section 4.2
        seen[kind] = extensions.vector(2)
    return Hello(_name(seen.get(_NAME_EXTENSION)), hidden=_ENCRYPTED in seen)


def _name(extension: bytes | None) -> str:
    if extension is None:
        return ""
    outer = _Bytes(extension)
    names = _Bytes(outer.vector(2))
    if names.number(1) != _HOST_NAME:
        raise Malformed("the server's name is of an unknown kind")
    name = names.vector(2)
    if not names.done or not outer.done:
        raise Malformed("the ClientHello names two servers")
    if not 0 < len(name) <= _MAX_NAME or not name.isascii() or not name.decode("ascii").isprintable():
        raise Malformed("the server's name is none")
    return name.decode("ascii").lower()
