"""HTTPS calls a second through Remit's forward proxy that intercepts, beside mitmproxy's, in the same run.

Four real processes: an API over TLS, `remit up --proxy` with its durable journal, `mitmdump` with one header put in,
and this client: aiohttp with connections that are kept (16), one call in flight on each, behind the one proxy or the
other, and with none. Remit decides and records every call; mitmproxy does neither. Rounds are interleaved.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import ssl
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import REMIT, Running, environment, folder, free_port, ready, running, up, wait_for
from benchmarks.report import finish, options, row
from tests.authority import OwnAuthority

from remit.sdk import keyfile
from remit.sdk.grant import Grant

CONNECTIONS = 16
FLOOR = 2.0  # times mitmproxy
VERSION = "11.0.2"  # the newest for this version of Python
SECRET = "a-key-of-the-benchmark"  # noqa: S105 - of the benchmark
AGENT = "plain-bot"
_FILES = {
    "owners": "owner: dana\nname: Dana Reyes\nemail: dana@example.test\n",
    "purposes/bench": (
        "purpose: bench\nstatement: Measure\nactions: ['bench:GET /**']\ndata_classes: []\nnot_after: 2099-01-01\n"
    ),
    "servers/bench": (
        "server: bench\nkind: http\nurl: https://localhost:{port}\nproxy: intercept\nca: api-ca.pem\noperations:\n"
        "  'GET /things/{{id}}': {{tier: low}}\n"
        "credential: {{secret: bench-key, inject: {{header: X-Api-Key}}}}\n"
    ),
    "agents/plain-bot": (
        "agent: plain-bot\nowner: dana\nversion: '1'\npurposes: [bench]\nmax_instances: 9\n"
        "sender_constraint: none\nnot_after: 2099-01-01\nmax_run: 8h\n"
        "attest: [{{private_key_jwt: {{jwk_file: plain-bot.pub.jwk}}}}]\n"
    ),
    "boundaries/plain-bot": (
        "boundary: plain-bot\nagent: plain-bot\npurpose: bench\n"
        "allow: [{{action: 'bench:GET /things/{{id}}'}}]\nnot_after: 2098-01-01\n"
    ),
}


@dataclass(frozen=True)
class Way:
    """How the API is reached."""

    proxy: str | None
    auth: dict[str, str] | None
    trusts: str  # PEM
    pid: int | None = None  # of the proxy


def mitmdump() -> Path:
    """The peer, in an environment of its own that is made once."""
    home = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "remit-benchmarks" / "mitmproxy"
    found = home / VERSION / "bin" / "mitmdump"
    if not found.exists():
        venv.create(home / VERSION, with_pip=True)
        command = [str(found.with_name("python")), "-m", "pip", "install", "--quiet", f"mitmproxy=={VERSION}"]
        subprocess.run(command, check=True)
    return found


@contextlib.contextmanager
def estate(home: Path) -> Iterator[tuple[Running, dict[str, tuple[str, int]]]]:
    """An API over TLS, a Remit that is a proxy, and the peer; with both proxies' URLs and processes."""
    environ, port, peer = environment(home), free_port(), free_port()
    authority, pem, own = OwnAuthority(), home / "api.pem", home / "estate" / "servers" / "api-ca.pem"
    pem.write_bytes(authority.leaf("localhost"))
    own.parent.mkdir(parents=True)
    own.write_text(authority.pem, encoding="ascii")
    api = [sys.executable, str(Path(__file__).with_name("http_upstream.py")), str(port), str(pem)]
    other = [
        str(mitmdump()), "--quiet", "--listen-host", "127.0.0.1", "--listen-port", str(peer),
        "--set", f"confdir={home / 'mitmproxy'}", "--set", f"ssl_verify_upstream_trusted_ca={own}",
        "--set", "http2=false", "--modify-headers", f"/~q/X-Api-Key/{SECRET}",
    ]  # fmt: skip
    with (
        running(api, environ),
        running(other, environ) as that,
        running(up("--dev", "--proxy", "127.0.0.1:0"), environ) as it,
    ):
        told = ready(it)
        wait_for(port)
        wait_for(peer)
        found = Running(direct=f"https://localhost:{port}/things/7", remit=told["api"], home=home, environ=environ)
        found.command("agent", "keygen", AGENT, "--out", found.key(AGENT))
        for name, text in _FILES.items():
            path = home / "estate" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(port=port), encoding="utf-8")
        Path(f"{found.key(AGENT)}.pub.jwk").rename(home / "estate" / "agents" / f"{AGENT}.pub.jwk")
        command = [REMIT, "secret", "set", "bench-key"]
        subprocess.run(command, env=environ, input=SECRET, check=True, capture_output=True, text=True)
        found.command("apply", str(home / "estate"), "--approve", "--as", "dana", "--json")
        yield found, {"remit": (told["proxy"], it.pid), "mitmproxy": (f"http://127.0.0.1:{peer}", that.pid)}


async def token(http: aiohttp.ClientSession, found: Running) -> str:
    """One that is bound to no key, for the proxy alone: what a stock client sends as its password."""
    key = keyfile.load(found.key(AGENT))
    form = (
        Grant(found.remit, AGENT, key, "bench", None, key).form() + f"&resource={quote(found.remit, safe='')}%2Fproxy"
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{found.remit}/oauth2/token", data=form, headers=headers) as answer:
        return str((await answer.json())["access_token"])


def processor(pid: int | None) -> float:
    """Seconds of processor time that a process has used, in its own code and in the kernel; 0 of none."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def calls(way: Way, url: str, count: int) -> tuple[float, float]:
    """Calls a second, one in flight on each connection, once all are made; and the proxy's milliseconds for each."""
    context = ssl.create_default_context(cadata=way.trusts)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context)
    left = iter(range(count))

    async with aiohttp.ClientSession(connector=connector) as http:

        async def one() -> None:
            async with http.get(url, proxy=way.proxy, proxy_headers=way.auth) as answer:
                body = await answer.read()
                assert answer.status == 200, body

        async def caller() -> None:
            for _ in left:
                await one()

        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
        gc.collect()
        began, used = time.perf_counter(), processor(way.pid)
        await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
        return count / (time.perf_counter() - began), 1000 * (processor(way.pid) - used) / count


async def measure(
    found: Running, proxies: dict[str, tuple[str, int]], *, rounds: int, count: int
) -> list[dict[str, Any]]:
    """Interleaved rounds."""
    rates: dict[str, list[float]] = {"direct": [], "remit": [], "mitmproxy": []}
    costs: dict[str, list[float]] = {name: [] for name in rates}
    own = (found.home / "estate" / "servers" / "api-ca.pem").read_text(encoding="ascii")
    ours = subprocess.run(  # noqa: ASYNC221 - nothing runs beside it
        [REMIT, "proxy", "ca"], env=found.environ, check=True, capture_output=True, text=True
    ).stdout
    theirs = (found.home / "mitmproxy" / "mitmproxy-ca-cert.pem").read_text(encoding="ascii")
    for at in range(rounds + 1):
        async with aiohttp.ClientSession() as http:
            shown = {"Proxy-Authorization": aiohttp.encode_basic_auth(AGENT, await token(http, found))}
        (remit, ours_pid), (peer, theirs_pid) = proxies["remit"], proxies["mitmproxy"]
        ways = {
            "direct": Way(None, None, own),
            "remit": Way(remit, shown, ours, ours_pid),
            "mitmproxy": Way(peer, None, theirs, theirs_pid),
        }
        for name, way in ways.items():
            rate, cost = await calls(way, found.direct, count)
            if at:  # the first round warms everything up
                rates[name].append(rate)
                costs[name].append(cost)
    return rows(rates, costs)


def rows(rates: dict[str, list[float]], costs: dict[str, list[float]]) -> list[dict[str, Any]]:
    times = [ours / theirs for ours, theirs in zip(rates["remit"], rates["mitmproxy"], strict=True)]
    return [
        row("intercepted HTTPS calls/s, 16 connections, of mitmproxy's", times, "x", floor=FLOOR),
        row("  Remit, decided and recorded", rates["remit"], "/s", digits=0),
        row(f"  mitmproxy {VERSION}, one header put in", rates["mitmproxy"], "/s", digits=0),
        row("  direct", rates["direct"], "/s", digits=0),
        row("  processor time of Remit", costs["remit"], "ms/call", less_is_better=True),
        row("  processor time of mitmproxy", costs["mitmproxy"], "ms/call", less_is_better=True),
    ]


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--calls", type=int, default=1600, help="calls per round and way")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home, estate(home) as (found, proxies):
        told = uvloop.run(measure(found, proxies, rounds=chosen.rounds, count=chosen.calls))
    return finish("intercept", told, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
