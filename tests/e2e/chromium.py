"""A real Chromium, asked over its debugging pipe (Chrome DevTools Protocol): a page, and what it shows by and by."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip


class Page:
    """One open page, and what its console said."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._buffer = b""
        self._ids = itertools.count(1)
        self._session: str | None = None
        self.said: list[str] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and its result."""
        number = next(self._ids)
        sent = {"id": number, "method": method, "params": params}
        if self._session is not None:
            sent["sessionId"] = self._session
        os.write(self._write, json.dumps(sent).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == number:
                assert "error" not in message, message
                found: dict[str, Any] = message["result"]
                return found
            if message.get("method") in {"Log.entryAdded", "Runtime.exceptionThrown"}:
                self.said.append(json.dumps(message["params"]))

    def open(self, url: str) -> None:
        """Load `url` in a new page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Log", "Runtime", "Page"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=url)

    def text(self) -> str:
        """The text that a person would read now."""
        found = self.call("Runtime.evaluate", expression="document.body ? document.body.innerText : ''")
        return str(found["result"].get("value", ""))

    def run(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")

    def until(self, seen: Callable[[str], bool], *, seconds: float = 30) -> str:
        """The page's text once `seen` is true of it. Raises AssertionError if it is not in time."""
        end = time.monotonic() + seconds
        while not seen(text := self.text()):
            assert time.monotonic() < end, f"not seen in {seconds:g} seconds, on the page: {text[-2000:]}"
            self.run("new Promise(r => setTimeout(r, 50))")
        return text

    def picture(self, where: Path) -> None:
        """A PNG of what is shown."""
        where.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._read, 1 << 16)
            assert chunk, "the browser went away"
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser of its own, ended at the end."""
    its_in, our_out = os.pipe()
    our_in, its_out = os.pipe()
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, 64) for each in (its_in, its_out)]
    command = [str(PROGRAM), *_FLAGS, f"--user-data-dir={folder}"]
    shell = ["bash", "-c", f'exec "$@" 3<&{high[0]} 4>&{high[1]}', "bash", *command]
    process = subprocess.Popen(shell, pass_fds=high, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for each in (its_in, its_out, *high):
        os.close(each)
    try:
        yield Page(our_in, our_out)
    finally:
        process.terminate()
        process.wait(20)
        for each in (our_in, our_out):
            os.close(each)
