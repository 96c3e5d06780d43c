"""Real processes to measure: an MCP server, `remit up` in front of it, and one agent of each kind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REMIT = str(Path(sys.executable).with_name("remit"))
SERVER = "bench"
AGENTS = {"bound-bot": "dpop", "plain-bot": "none"}
VERSION = "2026-07-28"
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "add",
}
_START_SECONDS = 30
_FILES = {
    "owners": "owner: dana\nname: Dana Reyes\nemail: dana@example.test\n",
    "purposes/bench": (
        "purpose: bench\nstatement: Measure\nactions: [bench/*]\ndata_classes: []\nnot_after: 2099-01-01\n"
    ),
    "servers/bench": (
        "server: bench\nkind: mcp\nurl: http://127.0.0.1:{port}/mcp\nreview: pin-on-first-use\nmode: enforce\n"
        'tools: {{"*": {{tier: low}}}}\n'
    ),
    "agents/{agent}": (
        "agent: {agent}\nowner: dana\nversion: '1'\npurposes: [bench]\nmax_instances: 9\n"
        "sender_constraint: {constraint}\nnot_after: 2099-01-01\nmax_run: 8h\n"
        "attest: [{{private_key_jwt: {{jwk_file: {agent}.pub.jwk}}}}]\n"
    ),
    "boundaries/{agent}": (
        "boundary: {agent}\nagent: {agent}\npurpose: bench\n"
        "allow: [{{action: bench/add, when: {{a: {{max: 100}}}}}}]\nnot_after: 2098-01-01\n"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs: both URLs, the agents' keys, and the environment that `remit` commands need."""

    direct: str
    remit: str
    home: Path
    environ: dict[str, str]

    def key(self, agent: str) -> str:
        """The file of an agent's private key."""
        return str(self.home / f"{agent}.jwk")

    def command(self, *words: str) -> str:
        """What a `remit` command prints."""
        done = subprocess.run([REMIT, *words], env=self.environ, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


def body(b: int) -> bytes:
    """One call of the server's tool."""
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "add", "arguments": {"a": 40, "b": b}, "_meta": meta}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def environment(home: Path) -> dict[str, str]:
    """Ours, with a home of its own, and with compiled files that are kept, as an installation's are."""
    ours = ("XDG_", "REMIT_", "PYTHONDONTWRITEBYTECODE")
    keep = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return keep | {"HOME": str(home), "NO_COLOR": "1"}


@contextlib.contextmanager
def folder(where: Path) -> Iterator[Path]:
    """A folder for one run. It stands on the file system that is measured, and not on a /tmp that may be in memory."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=where) as name:
        yield Path(name).absolute()


@contextlib.contextmanager
def running(command: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, ended at the end."""
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def ready(up: subprocess.Popen[str]) -> dict[str, str]:
    """What `remit up --json` says when it is ready."""
    line = up.stdout.readline() if up.stdout else ""
    assert line, "remit up ended before it was ready"
    told: dict[str, str] = json.loads(line)
    return told


def up(*words: str) -> list[str]:
    """The command that starts a server on any free port."""
    return [REMIT, "up", "--listen", "127.0.0.1:0", "--json", *words]


@contextlib.contextmanager
def estate(
    home: Path, *, ledger: Path | None = None, agents: Mapping[str, str] = AGENTS, server: str = "upstream.py"
) -> Iterator[Running]:
    """A server, a Remit in front of it, and the agents (with their sender constraints) with an approved boundary."""
    environ = environment(home)
    port = free_port()
    upstream = [sys.executable, str(Path(__file__).with_name(server)), str(port)]
    if ledger is not None:
        upstream.append(str(ledger))
    with running(upstream, environ), running(up("--dev"), environ) as process:
        wait_for(port)
        api = ready(process)["api"]
        found = Running(direct=f"http://127.0.0.1:{port}/mcp", remit=api, home=home, environ=environ)
        _write(found, home / "estate", port, agents)
        found.command("apply", str(home / "estate"), "--approve", "--as", "dana", "--json")
        yield found


def _write(found: Running, where: Path, port: int, agents: Mapping[str, str]) -> None:
    """The directory that is applied; the agents' keys stand beside it."""
    for agent, constraint in agents.items():
        key = Path(found.key(agent))
        found.command("agent", "keygen", agent, "--out", str(key))
        for name, text in _FILES.items():
            path = where / (name.format(agent=agent) + ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(agent=agent, constraint=constraint, port=port), encoding="utf-8")
        key.with_name(f"{key.name}.pub.jwk").rename(where / "agents" / f"{agent}.pub.jwk")


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Return once something listens there."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")
