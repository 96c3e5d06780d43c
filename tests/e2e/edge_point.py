"""A real enforcement point: it follows the stream and confirms what it has applied, when it is let."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Point:
    """One point. `hold`: confirm nothing until `go`."""

    def __init__(self, url: str, token: str) -> None:
        self._netloc = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {token}"}
        self._may = threading.Event()
        self._may.set()
        self.fresh = threading.Event()
        self.epoch = 0
        self.over = False

    def hold(self) -> None:
        """Confirm nothing from now on."""
        self._may.clear()

    def go(self) -> None:
        """Confirm what was heard, and all that comes."""
        self._may.set()
        self._confirm()

    def follow(self, connection: http.client.HTTPConnection) -> None:
        """Read events until the connection ends."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            connection.request("GET", "/v1/enforcement/stream", headers=self._headers)
            for line in connection.getresponse():
                if line.startswith(b"data: ") and "epoch" in (said := json.loads(line[6:])):
                    self.epoch = said["epoch"]
                    if self._may.is_set():
                        self._confirm()

    def _confirm(self) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=30)
        body = json.dumps({"epoch": self.epoch})
        connection.request("POST", "/v1/enforcement/ack", body, {**self._headers, "Content-Type": "application/json"})
        if json.loads(connection.getresponse().read()).get("fresh"):
            self.fresh.set()
        connection.close()


@contextlib.contextmanager
def connected(url: str, token: str) -> Iterator[Point]:
    """A point that follows, until the block ends."""
    point = Point(url, token)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    thread = threading.Thread(target=point.follow, args=(connection,), daemon=True)
    thread.start()
    try:
        assert point.fresh.wait(30), "it was never fresh"
        yield point
    finally:
        if connection.sock is not None:
            connection.sock.shutdown(2)
        connection.close()
        thread.join(10)
