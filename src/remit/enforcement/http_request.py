"""What an HTTP request asks for, strictly: which operation of a server, with which arguments, and which body.

Read in two parts. What depends on the request alone is refused before any decision, whoever asks; what depends on the
operation (a body's type, a field in a wrong place) is said only of one that was allowed: before, it would tell that
there is such an operation.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.catalog.operation import Operation, Routes
from remit.catalog.operation_spec import is_json
from remit.enforcement import http_target
from remit.enforcement.asgi import BODY_SECONDS, Gone, Receive, body_of
from remit.enforcement.http_arguments import Arguments, arguments
from remit.enforcement.http_bodies import well_formed
from remit.kernel import canonical
from remit.kernel.errors import Malformed, TooLarge, UnsupportedMediaType
from remit.kernel.names import ToolName, well_formed_operation
from remit.outbound.model import Streamed

_MEDIA = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}\Z")  # RFC 6838 section 4.2
_METHOD = re.compile(r"[A-Z]{3,16}\Z")
_IDENTITY: Final = "identity"
_LONGEST_NAME: Final = 256
_UTF_8: Final = frozenset({"utf-8", "utf8"})


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request, read. `operation` is None where the server has no such one; `name` is what is asked about then."""

    method: str
    segments: tuple[str, ...]
    query: list[tuple[str, str]]
    operation: Operation | None
    name: ToolName | None
    told: Arguments
    media: str = ""
    json: Any = None
    length: int | None = None  # of a body that is not read yet; None: it comes in chunks
    streams: bool = False  # there is such a body

    @property
    def fault(self) -> str:
        """Why it may not be forwarded even if it is allowed; empty if it may."""
        return self.told.fault


def upgrades(headers: Mapping[str, str]) -> bool:
    """Whether another protocol is asked for on this connection, WebSocket among them."""
    return "upgrade" in headers or "upgrade" in headers.get("connection", "").lower()


async def read(
    method: str, raw_path: bytes, raw_query: bytes, headers: Mapping[str, str], receive: Receive, routes: Routes, *,
    limit: int,
) -> Asked:  # fmt: skip
    """Read a request; of its body only one that is JSON.

    Raises:
        Malformed: Path, query, a JSON body or what frames it has no one reading; or the body did not come in time.
        UnsupportedMediaType: A body that is encoded, or of no type.
        TooLarge: The body is over the limit.
        Gone: The client went away.
    """
    if not _METHOD.match(method):
        raise Malformed("that is no method")
    segments, query = http_target.path(raw_path), http_target.query(raw_query)
    media, length = _framed(headers, limit)
    body = None
    streams = media != "" and not is_json(media)
    if media and not streams:
        octets = await body_of(receive, declared=headers.get("content-length"), limit=limit)
        body = canonical.parse(octets)
    found = routes.find(method, segments)
    if found is None:
        name = f"{method} {http_target.written_path(segments)}"[:_LONGEST_NAME].replace("%", "~")
        known, told = None, Arguments()
        asked = ToolName(name) if well_formed_operation(name) else None
    else:
        known, values = found
        asked, told = known.name, arguments(known, values, query, body)
    return Asked(
        method=method, segments=segments, query=query, operation=known, name=asked, told=told, media=media, json=body,
        length=length, streams=streams,
    )  # fmt: skip


def takes(operation: Operation, media: str) -> bool:
    """Whether an operation takes a body of this type, which is no JSON."""
    kind = media.partition("/")[0]
    return any(each in (media, f"{kind}/*", "*/*") for each in operation.media)


def streamed(asked: Asked, receive: Receive, *, limit: int) -> Streamed:
    """The body as it comes from the client, which may go away."""
    return Streamed(_chunks(receive, limit), asked.length)


async def whole(receive: Receive, headers: Mapping[str, str], *, limit: int) -> bytes:
    """The same, read to its end. Raises as `read`."""
    return await body_of(receive, declared=headers.get("content-length"), limit=limit)


async def _chunks(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    size = 0
    while True:
        async with asyncio.timeout(BODY_SECONDS):  # for each piece: a client must not hold a connection with silence
            message = await receive()
        if message["type"] != "http.request":
            raise Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge("the body is over the limit")
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


def _framed(headers: Mapping[str, str], limit: int) -> tuple[str, int | None]:
    """The media type of the body, empty where there is none, and its length."""
    declared, coded = headers.get("content-length"), headers.get("transfer-encoding")
    if declared is not None and (coded is not None or not (declared.isascii() and declared.isdigit())):
        raise Malformed("the body's length is said twice, or not as a number")  # RFC 9112 section 6.3
    if declared in (None, "0") and coded is None:
        return "", 0
    if declared is not None and int(declared) > limit:
        raise TooLarge("the body is over the limit")
    if headers.get("content-encoding", _IDENTITY).lower() != _IDENTITY:
        raise UnsupportedMediaType("a body is sent as it is, without a Content-Encoding")
    media, mark, rest = headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    if not _MEDIA.match(media):
        raise UnsupportedMediaType("Content-Type must name one media type")
    if not well_formed(mark + rest):  # Envoy sends them on as they came, and so is a form's boundary
        raise UnsupportedMediaType("Content-Type has a parameter that is not well formed")
    if is_json(media) and not _charsets(rest) <= _UTF_8:
        raise UnsupportedMediaType("JSON is in UTF-8 (RFC 8259 section 8.1)")
    return media, None if declared is None else int(declared)


def _charsets(parameters: str) -> set[str]:
    """All that are named: of two, one server reads the first, and another the last (UTF-7 is ASCII as well)."""
    pairs = (each.strip().partition("=") for each in parameters.lower().split(";"))
    return {value.strip('"') for name, _, value in pairs if name.startswith("charset")}
