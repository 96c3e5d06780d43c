"""A proxy before a provider, which holds one thing that it is asked: before it gets there, or with the answer to it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Gate:
    """What is asked is told by `marks`: bytes with which a client says what is to be done."""

    target: int  # a port of loopback
    marks: tuple[bytes, ...]
    port: int = 0
    asked: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    _hold: tuple[int, str] = (0, "")
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: list[socket.socket] = field(default_factory=list)

    def arm(self, number: int, when: str) -> None:
        """Hold the `number`th thing that is asked from now on: `before` it gets there, or the answer, `after`."""
        with self._lock:
            self.asked, self._hold = 0, (number, when)
            self.held.clear()

    def let_go(self) -> None:
        """Hold nothing any more. Connections that were held are closed: who made them is gone."""
        with self._lock:
            self._hold = (0, "")
            gone, self._open = self._open, []
        for each in gone:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                with self._lock:
                    self._open += [client, server]
                answers = threading.Event()  # set once its answers are held
                for work, one, other in ((self._to, client, server), (self._from, server, client)):
                    threading.Thread(target=work, args=(one, other, answers), daemon=True).start()

    def _to(self, client: socket.socket, server: socket.socket, answers: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := client.recv(65536):
                when = self._when(chunk)
                if when == "before":
                    self.held.set()
                    return
                if when == "after":
                    answers.set()
                server.sendall(chunk)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _from(self, server: socket.socket, client: socket.socket, answers: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := server.recv(65536):
                if answers.is_set():
                    self.held.set()
                    return
                client.sendall(chunk)
            client.shutdown(socket.SHUT_WR)

    def _when(self, chunk: bytes) -> str:
        if not any(mark in chunk for mark in self.marks):
            return ""
        with self._lock:
            self.asked += 1
            number, when = self._hold
            return when if self.asked == number else ""


@contextlib.contextmanager
def gate(target: int, *marks: bytes) -> Iterator[Gate]:
    """It stands for as long as the block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        made = Gate(target, marks, int(listener.getsockname()[1]))
        thread = threading.Thread(target=made.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            made.let_go()
            thread.join(10)
