"""What a client asks of the forward proxy, strictly read (pure): where to, and as whom.

The host and port are compared with what an operator registered, text by text: a second spelling of an address
(decimal, octal, mapped, in another script) is another host, and so one that nobody registered.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import h11

from remit.kernel.errors import Malformed

MOST: Final = 16 * 1024  # bytes of a head
_END: Final = b"\r\n\r\n"
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9]([a-z0-9.-]{0,252}))):([0-9]{1,5})\Z")
_MAX_PORT: Final = 65535
_ONCE: Final = (b"proxy-authorization", b"dpop", b"host")


class Destination(NamedTuple):
    """A host, in lower case and without brackets, and a port."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host:port` as it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def named_by(self, host: str, *, default: int) -> bool:
        """Whether a `Host` header means this; it may leave out the scheme's own port."""
        bare = f"[{self.host}]" if ":" in self.host else self.host
        return host.lower() == self.authority or (self.port == default and host.lower() == bare)


@dataclass(frozen=True, slots=True)
class Shown:
    """Credentials in the words of a resource: `authorization` as its own header would be, and the name they claim."""

    authorization: str | None
    dpop: str | None
    name: str | None = None


def split(octets: bytes) -> tuple[bytes, bytes] | None:
    """A head and what came after it; None while it is not whole.

    Raises:
        Malformed: It is too long.
    """
    at = octets.find(_END)
    if (at if at >= 0 else len(octets)) > MOST:
        raise Malformed("the head is too long")
    return None if at < 0 else (octets[: at + len(_END)], octets[at + len(_END) :])


def connect(head: bytes) -> tuple[Destination, Mapping[bytes, bytes]]:
    """Where a CONNECT leads, and its headers by name in lower case (RFC 9110 section 9.3.6).

    Raises:
        Malformed: It is no CONNECT with one reading.
    """
    line = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST)
    try:
        line.receive_data(head)
        event = line.next_event()
    except h11.RemoteProtocolError as error:
        raise Malformed("that is no HTTP/1.1") from error
    if not isinstance(event, h11.Request) or event.method != b"CONNECT":
        raise Malformed("a CONNECT is expected")
    where = destination(event.target.decode("latin-1"))
    headers = once(event.headers)
    if {b"transfer-encoding", b"content-length"} & headers.keys():
        raise Malformed(
            "a CONNECT has no body"
        )  # RFC 9110 section 9.3.6: it has no meaning, and hides a second request
    host = headers.get(b"host")
    if host and not where.named_by(host.decode("latin-1"), default=443):
        raise Malformed("Host is not what is connected to")
    return where, headers


def destination(text: str) -> Destination:
    """The host and port in `text`.

    Raises:
        Malformed: It names none, or has a user in it.
    """
    match = _AUTHORITY.match(text.lower())
    if match is None or not 0 < int(match[4]) <= _MAX_PORT:
        raise Malformed("HOST:PORT is expected")
    return Destination(match[1] or match[2], int(match[4]))


def absolute(target: bytes) -> tuple[Destination, bytes, bytes]:
    """Where `http://host[:port]/path?query` leads, its path and its query as they came (RFC 9112 section 3.2.2).

    Raises:
        Malformed: It is no such target.
    """
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() != b"http":
        raise Malformed("a proxy is asked for http://HOST/PATH, or to CONNECT")
    before, _, query = rest.partition(b"?")
    authority, slash, path = before.partition(b"/")
    text = authority.decode("latin-1")
    port = text.rpartition("]")[2].partition(":")
    return destination(text if port[1] else f"{text}:80"), slash + path or b"/", query


def once(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name in lower case.

    Raises:
        Malformed: One that says who asks, or where, stands there twice.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        key = name.lower()
        if key in found and key in _ONCE:
            raise Malformed(f"{key.decode('ascii')} stands there twice")
        found[key] = value
    return found


def shown(headers: Mapping[bytes, bytes]) -> Shown:
    """The credentials of a request to a proxy: `Bearer` or `DPoP` and a token, or `Basic` of agent and token.

    Clients that know only a user and a password send the latter; it is the same as a bearer token.

    Raises:
        Malformed: Basic credentials that have no one reading.
    """
    value = headers.get(b"proxy-authorization")
    proof = headers.get(b"dpop")
    dpop = None if proof is None else proof.decode("latin-1")
    if value is None:
        return Shown(None, dpop)
    text = value.decode("latin-1").strip()
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "basic":
        return Shown(text, dpop)
    try:
        name, colon, token = b64decode(rest.strip(), validate=True).decode("ascii").partition(":")
    except ValueError as error:
        raise Malformed("Basic credentials are base64 of AGENT:TOKEN") from error
    if not colon:
        raise Malformed("Basic credentials are base64 of AGENT:TOKEN")
    return Shown(f"Bearer {token}", dpop, name)
