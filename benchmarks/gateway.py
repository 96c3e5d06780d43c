"""Calls a second through the MCP gateway, as a share of the same calls made directly.

Three real processes: a server of the `mcp` SDK (2026-07-28, JSON answers), `remit up` with its
durable journal, and this client: aiohttp, one call in flight. Rounds of direct calls, calls with
DPoP and calls with a plain token are interleaved. Proofs are signed ahead of each round, because
signing is the agent's work and not the gateway's.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.report import row, told

from remit.sdk import keyfile
from remit.sdk.grant import Grant, Token
from remit.sdk.token import token

REMIT = str(Path(sys.executable).with_name("remit"))
FLOOR, AIM = 45.0, 75.0
SERVER = "bench"
VERSION = "2026-07-28"
BODY = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "add",
            "arguments": {"a": 40, "b": 2},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": VERSION,
                "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }
).encode()
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "add",
}
FILES = {
    "owners": "owner: dana\nname: Dana Reyes\nemail: dana@example.test\n",
    "purposes/bench": (
        "purpose: bench\nstatement: Measure\nactions: [bench/*]\ndata_classes: []\nnot_after: 2099-01-01\n"
    ),
    "servers/bench": (
        "server: bench\nkind: mcp\nurl: http://127.0.0.1:{port}/mcp\nreview: pin-on-first-use\nmode: enforce\n"
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
AGENTS = {"bound-bot": "dpop", "plain-bot": "none"}


def serve(port: int) -> None:
    """The server that is measured directly and through the gateway."""
    import uvicorn  # noqa: PLC0415 - only this process needs it
    from mcp.server.mcpserver import MCPServer  # noqa: PLC0415 - takes a second

    server = MCPServer("bench")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    uvicorn.run(server.streamable_http_app(json_response=True), host="127.0.0.1", port=port, log_level="critical")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, ended at the end."""
    process = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


@contextlib.contextmanager
def estate(home: Path) -> Iterator[tuple[str, str]]:
    """A server and a Remit in front of it; yields both URLs."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "REMIT_"))}
    environ = keep | {"HOME": str(home), "NO_COLOR": "1"}
    port = free_port()
    with (
        running([sys.executable, __file__, "--serve", str(port)], environ),
        running([REMIT, "up", "--listen", "127.0.0.1:0", "--dev", "--json"], environ) as up,
    ):
        wait_for(port)
        ready = json.loads(up.stdout.readline() if up.stdout else "{}")
        write(home / "estate", environ, port)
        command = [REMIT, "apply", str(home / "estate"), "--approve", "--as", "dana", "--json"]
        subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
        yield f"http://127.0.0.1:{port}/mcp", ready["api"]


def write(where: Path, environ: dict[str, str], port: int) -> None:
    """The directory that is applied; the agents' keys stand beside it."""
    for agent, constraint in AGENTS.items():
        key = where.parent / f"{agent}.jwk"
        command = [REMIT, "agent", "keygen", agent, "--out", str(key)]
        subprocess.run(command, env=environ, check=True, capture_output=True)
        for name, text in FILES.items():
            path = where / (name.format(agent=agent) + ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(agent=agent, constraint=constraint, port=port), encoding="utf-8")
        key.with_name(f"{key.name}.pub.jwk").rename(where / "agents" / f"{agent}.pub.jwk")


async def calls(http: aiohttp.ClientSession, url: str, headers: Callable[[int], dict[str, str]], count: int) -> float:
    """Calls a second, one in flight."""
    made = [HEADERS | headers(at) for at in range(count)]
    gc.collect()
    began = time.perf_counter()
    for each in made:
        async with http.post(url, data=BODY, headers=each) as answer:
            text = await answer.read()
            assert answer.status == 200, text
    rate = count / (time.perf_counter() - began)
    assert json.loads(text)["result"]["structuredContent"] == {"result": 42}, text
    return rate


def bound(grant: Grant, held: Token, url: str) -> Callable[[int], dict[str, str]]:
    return lambda _: {"Authorization": f"DPoP {held.access_token}", "DPoP": grant.proof("POST", url, held)}


def plain(held: str) -> Callable[[int], dict[str, str]]:
    return lambda _: {"Authorization": f"Bearer {held}"}


async def plain_token(http: aiohttp.ClientSession, remit: str, key: keyfile.Key) -> str:
    """A token that is bound to no key."""
    form = Grant(remit, "plain-bot", key, "bench", SERVER, key).form()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{remit}/oauth2/token", data=form, headers=headers) as answer:
        return str((await answer.json())["access_token"])


async def measure(direct: str, remit: str, home: Path, *, rounds: int, count: int) -> dict[str, list[float]]:
    """Interleaved rounds; calls a second of each way."""
    gateway = f"{remit}/mcp/{SERVER}"
    rates: dict[str, list[float]] = {"direct": [], "dpop": [], "none": []}
    async with aiohttp.ClientSession() as http:
        for at in range(rounds + 1):
            held, grant = token("bound-bot", str(home / "bound-bot.jwk"), "bench", url=remit)
            free = await plain_token(http, remit, keyfile.load(home / "plain-bot.jwk"))
            ways = {
                "direct": (direct, lambda _: {}),
                "dpop": (gateway, bound(grant, held, gateway)),
                "none": (gateway, plain(free)),
            }
            for name, (url, headers) in ways.items():
                rate = await calls(http, url, headers, count)
                if at:  # the first round warms everything up
                    rates[name].append(rate)
    return rates


def report(rates: dict[str, list[float]]) -> dict[str, Any]:
    shares = {
        name: [100 * through / direct for through, direct in zip(rates[name], rates["direct"], strict=True)]
        for name in ("dpop", "none")
    }
    added = [1e6 / through - 1e6 / direct for through, direct in zip(rates["dpop"], rates["direct"], strict=True)]
    return {
        "benchmark": "gateway",
        "rows": [
            row("MCP calls/s through the gateway, DPoP, of direct", shares["dpop"], "%", floor=FLOOR, aim=AIM),
            row("the same with plain tokens", shares["none"], "%"),
            row("direct", rates["direct"], "calls/s", digits=0),
            row("through, DPoP", rates["dpop"], "calls/s", digits=0),
            row("through, plain token", rates["none"], "calls/s", digits=0),
            row("added by the gateway, DPoP", added, "us", less_is_better=True, digits=0),
        ],
        "spread_of_direct": round(statistics.pstdev(rates["direct"]) / statistics.mean(rates["direct"]), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    with tempfile.TemporaryDirectory(prefix="remit-bench-") as folder, estate(Path(folder)) as (direct, remit):
        rates = uvloop.run(measure(direct, remit, Path(folder), rounds=options.rounds, count=options.calls))
    found = report(rates)
    sys.stdout.write((json.dumps(found) if options.json else told(found)) + "\n")
    return 0 if found["rows"][0]["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
