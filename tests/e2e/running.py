"""Real processes for the end-to-end tests: `remit up`, MCP servers, commands."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e.warm import Warm

REMIT = str(Path(sys.executable).with_name("remit"))
PATIENCE = 60

T = TypeVar("T")


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON object."""
        return json.loads(self.out)


@dataclass
class Home:
    """One user's machine: their folders, and the environment of their commands."""

    path: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """Nothing of the developer's own."""
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "REMIT_"))}
        return keep | {"HOME": str(self.path), "NO_COLOR": "1", **self.extra}

    @property
    def data(self) -> Path:
        """The default data directory."""
        return self.path / ".local" / "share" / "remit"

    @property
    def keyfile(self) -> Path:
        """The default keyfile."""
        return self.path / ".config" / "remit" / "keyfile"

    def remit(self, *arguments: str, stdin: str | None = None, env: dict[str, str] | None = None) -> Done:
        """Run one command."""
        process = Warm(arguments, self.environ | (env or {}), stdin)
        out, err = process.communicate(timeout=PATIENCE)
        return Done(process.wait(), out, err)

    @contextlib.contextmanager
    def up(self, *arguments: str) -> Iterator[Up]:
        """A running server, ended cleanly."""
        process = Warm(["up", "--listen", "127.0.0.1:0", "--json", *arguments], self.environ)
        line = process.stdout.readline()
        if not line:
            _, err = process.communicate(timeout=PATIENCE)
            raise AssertionError(f"remit up exited {process.returncode}: {err}")
        running = Up(process, json.loads(line))
        try:
            yield running
        finally:
            running.end()


@dataclass
class Up:
    """A server that said it is ready."""

    process: Warm | subprocess.Popen[str]
    ready: dict[str, Any]
    err: str = ""

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        if not self.err:
            _, self.err = self.process.communicate(timeout=PATIENCE)
        return self.process.wait()


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def upstream(which: str, ledger: Path) -> Iterator[int]:
    """A real MCP server built with the SDK; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "remit.demo.servers", which, "--port", str(port), "--ledger", str(ledger)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _wait_for(port: int, process: subprocess.Popen[str]) -> None:
    for _ in range(3000):
        if process.poll() is not None:
            raise AssertionError(process.stderr.read() if process.stderr else "it ended")
        with socket.socket() as probe:
            probe.settimeout(0.01)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    raise AssertionError("nothing listens")


def tree(root: Path, *, payments: int, **changed: str) -> Path:
    """The design's example directory; `changed` replaces a file's text, `a__b` for `a/b.yaml`."""
    files = {
        "owners": OWNERS,
        "purposes__pay-invoices": PURPOSE,
        "servers__payments": SERVER.replace("9101", str(payments)),
        "agents__invoice-bot": AGENT,
        "boundaries__invoice-bot": BOUNDARY,
    } | changed
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


OWNERS = """\
- {owner: dana, name: Dana Reyes, email: dana@example.test, backup: [lee]}
- {owner: lee, name: Lee Okafor, email: lee@example.test}
"""
PURPOSE = """\
purpose: pay-invoices
statement: Pay supplier invoices that were approved
actions: [payments/list_*, payments/transfer]
data_classes: [financial]
not_after: 2029-06-30
"""
SERVER = """\
server: payments
kind: mcp                      # mcp | http
url: http://127.0.0.1:9101/mcp # or command: [npx, -y, some-server]
credential: {secret: payments-key, inject: {header: Authorization, format: "Bearer {}"}}
tools: {transfer: {tier: critical}, "list_*": {tier: low}}
review: pin-on-first-use       # or quarantine
mode: enforce                  # or observe
"""
AGENT = """\
agent: invoice-bot
owner: dana
version: "1.4"
purposes: [pay-invoices]
max_instances: 20
sender_constraint: dpop
not_after: 2029-06-30
max_run: 8h
attest: [{private_key_jwt: {jwk_file: invoice-bot.pub.jwk}}]   # or {local_process: {uid: 1000}}
"""
BOUNDARY = """\
boundary: invoice-bot-payments
agent: invoice-bot
purpose: pay-invoices
allow:
  - {action: "payments/list_*"}
  - action: payments/transfer
    when: {amount: {max: "500.00"}, currency: {in: [EUR]}}
    limits: {rate: 30/min, budget: {argument: amount, max: "5000.00", per: day}}
    approval: {above: {amount: "250.00"}}
    ttl: 7d                      # may shorten the tier's, never lengthen it
not_after: 2029-03-31
"""


def entry(home: Home, **members: Any) -> dict[str, Any]:
    """The newest entry of the log with these members, once it has its place there."""

    def look() -> dict[str, Any] | None:
        entries = ok(home.remit("audit", "tail", "--count", "200", "--json")).json["entries"]
        return next((each for each in reversed(entries) if members.items() <= each.items()), None)

    return waited(look)


def waited(look: Callable[[], T | None]) -> T:
    """What `look` finds, once it finds something: some things a server writes after it has answered."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)
    return found


def wait_until_signed(home: Home) -> None:
    """Until a checkpoint covers all that is in the log; the server looks twice a second."""
    waited(lambda: "the rest" in _steps(home, "ok"))


def _steps(home: Home, status: str) -> set[str]:
    told = home.remit("audit", "verify", "--json").json
    return {step["name"] for step in told["steps"] if step["status"] == status}


def ok(done: Done, code: int = 0) -> Done:
    """See that a command ended so."""
    assert done.code == code, (done.out, done.err)
    return done
