"""Calls a second through the MCP gateway and through FastMCP's proxy, before the same server in one run.

Four processes: an MCP server of the `mcp` SDK, `remit up` with its durable journal before it, PyPI `fastmcp` 4.1.2's
proxy before it (without authentication, without state, with JSON answers: the quickest way there that was found), and
this client with 16 calls in flight on as many connections. Rounds take turns, in another order each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import HEADERS, SERVER, Running, body, estate, folder, free_port, running, wait_for
from benchmarks.gateway import plain_token
from benchmarks.report import finish, options, row

from remit.sdk import keyfile

FLOOR, AIM = 10.0, 20.0
PACKAGE = "fastmcp==4.1.2"
IN_FLIGHT = 16
BODY = body(2)


def peer_python() -> Path:
    """The interpreter of an environment with the peer, made once."""
    place = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "remit-benchmarks" / "fastmcp"
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", PACKAGE]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return python


@contextlib.contextmanager
def peer(python: Path, found: Running) -> Iterator[str]:
    """FastMCP's proxy before the same server; its URL."""
    port = free_port()
    environ = {name: value for name, value in found.environ.items() if name != "PYTHONPATH"}
    script = str(Path(__file__).with_name("fastmcp_peer.py"))
    with running([str(python), script, str(port), found.direct], environ):
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp"


async def rate(http: aiohttp.ClientSession, url: str, headers: dict[str, str], count: int) -> float:
    """Calls a second, with so many in flight."""
    left = iter(range(count))

    async def one() -> None:
        for _ in left:
            async with http.post(url, data=BODY, headers=HEADERS | headers) as answer:
                text = await answer.read()
                assert answer.status == 200, text
                assert b'"result":42' in text, text

    gc.collect()
    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - began)


async def measure(found: Running, other: str, *, rounds: int, count: int) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {"remit": [], "fastmcp": []}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as http:
        token = await plain_token(http, found.remit, keyfile.load(found.key("plain-bot")))
        sides: dict[str, tuple[str, dict[str, str], int]] = {
            "remit": (f"{found.remit}/mcp/{SERVER}", {"Authorization": f"Bearer {token}"}, count),
            "fastmcp": (other, {}, max(IN_FLIGHT, count // 10)),
        }
        for number in range(rounds + 1):
            for side in sorted(sides, reverse=number % 2 == 1):
                url, headers, calls = sides[side]
                found_rate = await rate(http, url, headers, calls)
                if number:  # the first round warms everything up
                    rates[side].append(found_rate)
    return rates


def rows(rates: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    ratio = [one / two for one, two in zip(rates["remit"], rates["fastmcp"], strict=True)]
    return [
        row("MCP calls/s through the gateway, of FastMCP's proxy", ratio, "x", floor=FLOOR, aim=AIM),
        row("  Remit, durable", rates["remit"], "/s", digits=0),
        row("  FastMCP's proxy", rates["fastmcp"], "/s", digits=0),
    ]


def main() -> int:
    parser = options(__doc__, rounds=7)
    parser.add_argument("--calls", type=int, default=2000, help="calls per round through Remit; a tenth of it beside")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    python = peer_python()
    with folder(chosen.folder) as home, estate(home) as found, peer(python, found) as other:
        rates = uvloop.run(measure(found, other, rounds=chosen.rounds, count=chosen.calls))
    return finish("fastmcp_proxy", rows(rates), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
