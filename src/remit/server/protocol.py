"""One connection: uvicorn's, which refuses at the first line of a request what there is no room for.

A refusal must cost next to nothing, or refusing is what the server does: it is written before a body is read, a token
looked at or a task made.
"""

from __future__ import annotations

import asyncio
import re
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from remit.enforcement.lanes import Ticket
from remit.server.app import TICKET, App
from remit.server.shedding import Shedding, written
from remit.server.wire import Joined
from remit.tokens.certificate import SHOWN, Shown

_PLAIN = re.compile(rb"/[A-Za-z0-9._~/-]*\Z")  # it reads the same whoever takes it apart
_SKIPPED: Final = 1 << 16  # bytes of a refused request's body that are read past; more is not waited for
_DIGITS: Final = 20  # of a length; it is long before that too long
_LOOKED_AT: Final = 64  # connections, for one that is idle
# RFC 9112 section 6.1: what was coded by more than its chunks cannot be read, and is not to be taken for what it says.
_UNKNOWN_CODING: Final = b"HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_RESERVE: Final = 64  # connections beyond the bound, for what is never refused


class Protocol(HttpToolsProtocol):
    """uvicorn's, over a transport that joins writes, before lanes that may be full."""

    most = 1 << 30  # connections of this process; set once, at its start
    _shown: Shown | None = None
    _refusing = False
    _spare = False  # one of the reserve
    _arriving: Ticket | None = None  # of a request whose body is not whole

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        app = self.app
        self._shedding: Shedding | None = app.shedding if isinstance(app, App) else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
        """A client has connected, and if it showed a certificate, proved its key."""
        ended = transport.get_extra_info("ssl_object")
        certificate = None if ended is None else ended.getpeercert(binary_form=True)
        self._shown = None if certificate is None else Shown(certificate)
        super().connection_made(Joined(transport, self.loop))  # type: ignore[arg-type]  # it is one in all that is used
        if len(self.connections) > self.most:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Something came. Who lets the rest of a body be waited for holds no place meanwhile."""
        super().data_received(data)
        if self._arriving is not None:
            self._arriving.pause()

    def on_message_begin(self) -> None:
        """A request begins: it is of who showed this certificate, if the client showed one."""
        super().on_message_begin()
        self._refusing = False
        if self._shown is not None:
            self.scope[SHOWN] = self._shown  # type: ignore[typeddict-unknown-key]  # a key of our own

    def on_headers_complete(self) -> None:
        """Its headers are read: it gets a place, or its refusal."""
        if not self.url.startswith(b"/") and isinstance(self.app, App):  # the forward proxy compares the two itself
            self._rename()
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            self._refusing = True
            if self.cycle is None or self.cycle.response_complete:  # no answer goes before one that is due
                self.transport.write(_UNKNOWN_CODING)
            self.transport.close()
            return
        # What comes while an answer is due waits its turn, and is looked at then (`App`): answers keep their order.
        if self._shedding is not None and (self.cycle is None or self.cycle.response_complete):
            path, query = _asked(self.url)
            shown = next((value for name, value in self.headers if name == b"authorization"), None)
            place = self._shedding.enter(path, query, shown)
            if place is False or (self._spare and place is not True):
                if isinstance(place, Ticket):
                    place.leave()
                self._refuse(path)
                return
            self._arriving = place if isinstance(place, Ticket) else None
            self.scope[TICKET] = place  # type: ignore[typeddict-unknown-key]  # a key of our own
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        if not self._refusing:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """It ends."""
        if self._arriving is not None:
            self._arriving.resume()
            self._arriving = None
        if not self._refusing:
            super().on_message_complete()

    def _rename(self) -> None:
        """A target that is a whole URL says whose it is, whatever `Host` says (RFC 9112 section 3.2.2).

        Attack: a page that was rebound to this address, or a proxy on the way, with a `Host` that the door lets in.
        """
        parsed = httptools.parse_url(self.url)
        if parsed.host is not None:
            port = b"" if parsed.port is None else b":%d" % parsed.port
            self.headers[:] = [pair for pair in self.headers if pair[0] != b"host"]
            host = b"[%b]" % parsed.host if b":" in parsed.host else parsed.host
            self.headers.append((b"host", host + port))

    def _refuse(self, path: str) -> None:
        self._refusing = True
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        streamed = any(name == b"transfer-encoding" for name, _ in self.headers)
        short = not streamed and length.isdigit() and int(length[:_DIGITS]) <= _SKIPPED
        keep = short and not self._spare and self.parser.should_keep_alive()
        self.transport.write(written(path, close=not keep))
        if not keep:
            self.transport.close()
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _make_room(self) -> None:
        """One connection more than there may be: one that is idle goes, else this one serves what is never refused."""
        for each in islice(self.connections, _LOOKED_AT):
            if isinstance(each, Protocol) and each is not self and (each.cycle is None or each.cycle.response_complete):
                each.transport.close()
                return
        if len(self.connections) > self.most + _RESERVE:
            self.transport.close()
        self._spare = True


def _asked(url: bytes) -> tuple[str, bytes]:
    """The path, decoded, and the query of a request's target."""
    path, _, query = url.partition(b"?")
    if _PLAIN.match(path) and b"#" not in query:
        return path.decode("ascii"), query
    parsed = httptools.parse_url(url)
    return unquote(parsed.path.decode("ascii")), parsed.query or b""
