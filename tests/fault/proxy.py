"""A wire to a database that a test cuts: it swallows what is sent, both ways, and says nothing, as a lost network does.

What was sent meanwhile arrives when it heals, as TCP sends it again; a connection that one end closed closes then.
Both halves of the wire are connections of their own, whose kernels go on acknowledging. So what the database's kernel
would find out, that nobody is there any more, is played here, by what the connection itself has asked for.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import URL, make_url

_ASKED = re.compile(rb"-c tcp_(keepalives_idle|keepalives_interval|keepalives_count|user_timeout)=(\d+)")
_CHUNK = 1 << 16
_TICK = 0.05


@dataclass(eq=False)
class Wire:
    """A proxy before the database at `target`."""

    target: URL
    cut_after: bytes = b""  # the next message to the database that holds this arrives, and nothing after it
    _flows: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _since: float = 0.0

    def __post_init__(self) -> None:
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where the database is reached through it."""
        port = int(self._listener.getsockname()[1])
        through = URL.create("postgresql", self.target.username, None, "127.0.0.1", port, self.target.database)
        return through.render_as_string(hide_password=False)

    @property
    def cut(self) -> bool:
        """Whether it swallows."""
        return not self._flows.is_set()

    def swallow(self) -> float:
        """From here on nothing arrives; when that was (seconds, monotonic)."""
        self._since = time.monotonic()
        self._flows.clear()
        return self._since

    def heal(self) -> float:
        """Carry again, and first what was held back; when that was (seconds, monotonic)."""
        self._flows.set()
        return time.monotonic()

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._flows.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes no thread that waits in accept
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=_Line(self, near).carry, daemon=True).start()

    def lost_for(self) -> float:
        """For how many seconds it has swallowed."""
        return time.monotonic() - self._since if self.cut else 0.0

    def wait(self) -> None:
        """Wait until it carries."""
        self._flows.wait()

    def ended(self, seconds: float) -> bool:
        """Whether it ends within that time."""
        return self._over.wait(seconds)


class _Line:
    """One connection through the wire."""

    def __init__(self, wire: Wire, near: socket.socket) -> None:
        self._wire, self._near = wire, near
        self._asked: dict[bytes, int] = {}  # what the client asked of the database's kernel, in its first message
        self._answers_held = False

    def carry(self) -> None:
        """Both ways, until one end closes."""
        with contextlib.suppress(OSError), self._near, _connect(self._wire.target) as far:
            others = [threading.Thread(target=self._answers, args=(far,), daemon=True)]
            others += [threading.Thread(target=self._notice, args=(far,), daemon=True)]
            for each in others:
                each.start()
            self._questions(far)
            _end(far, self._near)
            for each in others:
                each.join()

    def _questions(self, far: socket.socket) -> None:
        wire = self._wire
        with contextlib.suppress(OSError):
            while data := self._near.recv(_CHUNK):
                wire.wait()
                self._asked |= {name: int(value) for name, value in _ASKED.findall(data)}
                if wire.cut_after and wire.cut_after in data:
                    wire.cut_after = b""
                    wire.swallow()
                far.sendall(data)
        wire.wait()

    def _answers(self, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(_CHUNK):
                self._answers_held = True
                self._wire.wait()
                self._answers_held = False
                self._near.sendall(data)
            self._wire.wait()
        _end(far, self._near)

    def _notice(self, far: socket.socket) -> None:
        """The database drops a client that its kernel finds silent for as long as the client itself has asked for."""
        while self._near.fileno() >= 0 and not self._wire.ended(_TICK):
            patience = self._patience()
            if patience is not None and self._wire.lost_for() > patience:
                with contextlib.suppress(OSError):
                    far.shutdown(socket.SHUT_RDWR)
                return

    def _patience(self) -> float | None:
        """Seconds; None if it is too long to matter. What is not acknowledged keeps keepalives from being sent."""
        asked = self._asked
        if self._answers_held:
            return asked[b"user_timeout"] / 1000 if asked.get(b"user_timeout") else None
        idle, interval = asked.get(b"keepalives_idle"), asked.get(b"keepalives_interval")
        return None if idle is None or interval is None else idle + interval * asked.get(b"keepalives_count", 9)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _connect(url: URL) -> socket.socket:
    host, port = url.query.get("host") or url.host or "127.0.0.1", int(url.port or 5432)
    assert isinstance(host, str)
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    far = socket.socket(socket.AF_UNIX)
    far.connect(f"{host}/.s.PGSQL.{port}")
    return far


@contextmanager
def wire(database: str) -> Iterator[Wire]:
    """A wire to the database at that URL."""
    made = Wire(make_url(database))
    try:
        yield made
    finally:
        made.close()
