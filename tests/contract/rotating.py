"""What every rotator's contract is tried on: a bench with a real server, and servers that are down, slow or wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from remit.kernel.clock import Instant
from remit.kernel.names import SecretName
from remit.outbound.model import OutboundError, Patience, endpoint
from remit.outbound.session import Outbound
from remit.vault.document import Cause
from remit.vault.model import Material
from remit.vault.rotator import Answered, Plan, Rotator, Unclear

SECRET: Final = SecretName("payments-key")
ASKED: Final = ((Instant(0), Instant(2**62)),)  # an attempt that may have made whatever there is
_MOST: Final = 64 * 1024


class Bench(ABC):
    """One rotator, and the server that it changes credentials at."""

    settings: dict[str, Any]
    kinds: tuple[str, ...]  # of wrong answers that it could get
    proposes = True  # whether Remit chooses the value
    impatient = 0.4  # seconds, for a server that never answers

    @abstractmethod
    def rotator(self, *, seconds: float = 9.0) -> Rotator:
        """A new one, as after a restart."""

    @abstractmethod
    def first(self) -> Material:
        """A credential that works, as an operator would have set it."""

    @abstractmethod
    def works(self, it: Material) -> bool:
        """Whether it opens something, asked without the rotator."""

    @abstractmethod
    def count(self) -> int:
        """How many credentials of this kind there are at the server."""

    @abstractmethod
    def admin(self, name: str) -> Material:
        """What the rotator signs in with."""

    @abstractmethod
    def denied(self) -> Material:
        """Somebody whom the server knows, and who may not."""

    @abstractmethod
    def at(self, port: int) -> dict[str, Any]:
        """The settings, with the server at another port of loopback."""

    def wrong(self, it: Material) -> Material:
        """The same with another value."""
        text = it.value.text()
        swapped = text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB")
        return replace(it, value=type(it.value)(swapped))

    def plan(self, current: Material | None, *known: Material, **said: Any) -> Plan:
        """A rotation of it."""
        held = (current, *known) if current is not None else known
        return Plan(**{
            "rotation": "rot_1", "secret": SECRET, "version": 2, "settings": self.settings, "admin": self.admin,
            "started": Instant(0), "current": current, "known": tuple(each.attributes for each in held),
            "cause": Cause.AGE, **said,
        })  # fmt: skip


class Sending:
    """Implements `Send` over the one way out, which it opens for each request: tests have many event loops."""

    async def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        outbound = Outbound(allow={endpoint(url)})
        try:
            response = await outbound.request(
                method, url, headers=headers, data=body, patience=Patience(dial=3, silence=9)
            )
            got = bytearray()
            try:
                while chunk := await response.some():
                    got += chunk
                    if len(got) > _MOST:
                        raise Unclear("the provider's answer is too large")
            finally:
                response.close()
        except (OutboundError, OSError, ValueError) as error:
            raise Unclear("the provider could not be asked", detail=repr(error)[:200]) from error
        finally:
            await outbound.close()
        return Answered(status=response.status, body=bytes(got))


def _http(status: str, body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


PAGE: Final = b"<!DOCTYPE html><html><body>Sign in to the wireless network</body></html>"
ANSWERS: Final[Mapping[str, bytes | None]] = {
    "silent": None,
    "closes": b"",
    "no HTTP": b"\x00\x01\x02\x03 garbage\r\n\r\n",
    "page": _http("200 OK", PAGE, "text/html"),
    "number": _http("200 OK", b"7", "application/json"),
    "empty object": _http("200 OK", b'{"data": {}, "auth": {}}', "application/json"),
    "half": b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data": ',
    "500": _http("500 Internal Server Error", b'{"errors": ["boom"]}', "application/json"),
    "503": _http("503 Service Unavailable", PAGE, "text/html"),
    "redirect": _http("302 Found", b"", "text/html"),
    "too long": _http("200 OK", b" " * (_MOST + 1), "application/json"),
    "entities": _http(
        "200 OK", b'<!DOCTYPE a [<!ENTITY b "c">]><ListAccessKeysResponse>&b;</ListAccessKeysResponse>', "text/xml"
    ),
}


@contextlib.contextmanager
def answering(kind: str) -> Iterator[int]:
    """A server on loopback that gives everybody the same; yields its port."""
    with socket.socket() as listener, contextlib.ExitStack() as held:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    held.callback(peer.close)
                    answer = ANSWERS[kind]
                    if answer is not None:
                        with contextlib.suppress(OSError):
                            peer.recv(65536)
                            peer.sendall(answer)
                            peer.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@contextlib.contextmanager
def nobody() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
