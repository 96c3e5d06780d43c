"""A real server that is killed and started again on the same data, at the same URL."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.e2e.running import PATIENCE, REMIT, Done, Home
from tests.e2e.warm import Warm

Process = Warm | subprocess.Popen[str]


def lasting_port() -> int:
    """A loopback port below those that the kernel gives to outgoing connections, so that it is still free later."""
    for _ in range(1000):
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")


@dataclass
class Server:
    """`remit up --dev` with what it needs to come back as itself. Its stderr goes to a file."""

    home: Home
    arguments: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()  # a command that runs it, such as `nsenter ...`
    port: int = field(default_factory=lasting_port)
    process: Process | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What all its processes said on stderr."""
        return self.home.path / "server.log"

    def spawn(self) -> Process:
        """Start a process, and do not wait until it is ready."""
        words = ["up", "--dev", "--json", "--listen", f"127.0.0.1:{self.port}", *self.arguments]
        with self.log.open("a", encoding="utf-8") as log:
            if not self.inside:
                self.process = Warm(words, self.home.environ, errors=log)
                return self.process
            self.process = subprocess.Popen(
                [*self.inside, REMIT, *words],
                env=self.home.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self.process

    def start(self) -> float:
        """Start it; returns the seconds until it was ready."""
        started = time.monotonic()
        process = self.spawn()
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"remit up exited {process.wait(PATIENCE)}: {self.log.read_text(encoding='utf-8')[-2000:]}"
        return time.monotonic() - started

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait for its end; its exit code."""
        process = self.process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        process.communicate(timeout=PATIENCE)
        return process.wait()

    def ask(self, method: str, path: str, body: object = None, *, as_: str | None = None) -> tuple[int, Any]:
        """One request with the admin token; status and JSON (None if it is none)."""
        token = (self.home.data / "admin.token").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return ask(self.url, method, path, body, headers | ({"Remit-Act-As": as_} if as_ else {}))

    def remit(self, *arguments: str, stdin: str | None = None) -> Done:
        """One command beside it."""
        env = {"REMIT_URL": self.url}
        if not self.inside:
            return self.home.remit(*arguments, stdin=stdin, env=env)
        done = subprocess.run(
            [*self.inside, REMIT, *arguments],
            env=self.home.environ | env,
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate(timeout=PATIENCE)


def ask(url: str, method: str, path: str, body: object, headers: dict[str, str]) -> tuple[int, Any]:
    """One HTTP request; status and JSON (None if it is none)."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        said = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(said)
    except ValueError:
        return response.status, None
