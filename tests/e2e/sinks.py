"""Receivers of what Remit tells outside: an HTTP one and an SMTP one, real sockets, each in a thread of its own."""

from __future__ import annotations

import contextlib
import json
import queue
import socketserver
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple


class Posted(NamedTuple):
    """One request: its path, its headers in lower case, its bytes."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Sink(NamedTuple):
    """A receiver: its port, and what it received."""

    port: int
    got: queue.Queue[Any]

    def next(self, seconds: float = 20) -> Any:
        """What comes next."""
        return self.got.get(timeout=seconds)


@contextlib.contextmanager
def http_sink(*answers: int) -> Iterator[Sink]:
    """Answers with these statuses, in order, then with 204."""
    got: queue.Queue[Any] = queue.Queue()
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(left.pop(0) if left else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()
            got.put(Posted(self.path, headers, body))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        yield from _served(server, got)


@contextlib.contextmanager
def smtp_sink() -> Iterator[Sink]:
    """A mail relay that takes everything (RFC 5321, as much as smtplib speaks)."""
    got: queue.Queue[Any] = queue.Queue()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            to: list[str] = []
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    got.put((to, self._data()))
                    to = []
                elif verb == b"RCPT":
                    to.append(line.decode("ascii").partition("<")[2].partition(">")[0])
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

        def _data(self) -> str:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            return b"".join(lines).decode("utf-8")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        yield from _served(server, got)


def _served(server: socketserver.TCPServer, got: queue.Queue[Any]) -> Iterator[Sink]:
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Sink(server.server_address[1], got)
    finally:
        server.shutdown()
        thread.join()
