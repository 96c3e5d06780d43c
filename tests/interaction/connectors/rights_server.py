"""Another system that holds rights: a real HTTP server in a thread, which can also behave badly."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Right = tuple[str, str, str]  # agent, purpose, action


@dataclass
class Answer:
    """What it answers instead of what it should."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Rights:
    """What it holds, and how it behaves."""

    held: set[Right] = field(default_factory=set)
    lies: bool = False  # says that it is done, and does nothing
    instead: Callable[[str], Answer | None] = lambda _method: None
    slow: threading.Event | None = None  # held up until it is set
    posted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def post(self, said: dict[str, Any]) -> Answer:
        """Take a right away."""
        self.posted.append(said)
        if not self.lies:
            self.held.discard((said["agent"], said["purpose"], said["action"]))
        return Answer(202, json.dumps({"token": f"job-{len(self.posted)}"}).encode())

    def get(self, query: dict[str, str]) -> Answer:
        """Say whether a right is there."""
        self.asked.append(query)
        about = {name: query[name] for name in ("agent", "purpose", "action")}
        present = (about["agent"], about["purpose"], about["action"]) in self.held
        return Answer(200, json.dumps({**about, "present": present}).encode())


@contextlib.contextmanager
def serving(rights: Rights) -> Iterator[Rights]:
    """The server on a port of its own; `rights.url` says where."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer("POST", lambda: rights.post(json.loads(body)))

        def do_GET(self) -> None:
            self._answer("GET", lambda: rights.get(dict(parse_qsl(urlsplit(self.path).query))))

        def _answer(self, method: str, work: Callable[[], Answer]) -> None:
            rights.headers.append({name.lower(): value for name, value in self.headers.items()})
            if rights.slow is not None:
                rights.slow.wait(30)
            answer = rights.instead(method) or work()
            with contextlib.suppress(OSError):  # who asked may be gone
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    rights.url = f"http://127.0.0.1:{server.server_address[1]}/rights"
    try:
        yield rights
    finally:
        if rights.slow is not None:
            rights.slow.set()
        server.shutdown()
        thread.join()
        server.server_close()
