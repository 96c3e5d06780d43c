"""Calls a second through the MCP gateway, as a share of the same calls through the barest gateway, and made directly.

Four real processes: a server of the `mcp` SDK (2026-07-28, JSON answers), `remit up` with its
durable journal, `bare_gateway.py` made of the same parts, and this client: aiohttp, one call in
flight. Rounds of direct calls, calls through the bare gateway, calls with DPoP and calls with a
plain token are interleaved. Proofs are signed ahead of each round, because signing is the agent's
work and not the gateway's.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import HEADERS, SERVER, Running, body, estate, folder, free_port, running, wait_for
from benchmarks.report import Wish, finish, options, row, wished_row

from remit.sdk import keyfile
from remit.sdk.grant import Grant, Token
from remit.sdk.token import token

FLOOR, AIM = 60.0, 90.0  # of the bare gateway, which is about as fast as a gateway of these parts can be
# What was wished for at first, of direct calls: more than a gateway of these parts can keep, so it judges nothing.
WISH = Wish(
    floor=45.0,
    aim=75.0,
    why="a direct call is one HTTP exchange and a call through a gateway two; as measured then, the barest "
    "gateway of the same parts kept 39 %",
    where="docs/adr/0007-the-gateway-is-measured-against-a-bare-one.md",
)
BODY = body(2)
_IDLE = 1.0  # seconds


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


async def plain_token(http: aiohttp.ClientSession, remit: str, key: keyfile.Key, agent: str = "plain-bot") -> str:
    """A token that is bound to no key."""
    form = Grant(remit, agent, key, "bench", SERVER, key).form()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{remit}/oauth2/token", data=form, headers=headers) as answer:
        return str((await answer.json())["access_token"])


@contextlib.contextmanager
def bare(found: Running) -> Iterator[str]:
    """The URL of a bare gateway before the same server."""
    port = free_port()
    script = str(Path(__file__).with_name("bare_gateway.py"))
    command = [sys.executable, script, str(port), found.direct, str(found.home / "bare.db")]
    with running(command, found.environ):
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp"


async def measure(found: Running, barest: str, *, rounds: int, count: int) -> dict[str, list[float]]:
    """Interleaved rounds; calls a second of each way."""
    gateway = f"{found.remit}/mcp/{SERVER}"
    rates: dict[str, list[float]] = {"direct": [], "bare": [], "dpop": [], "none": []}
    # A connection that waited for its way's next round may be closed by the server just as it is written to.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=_IDLE)) as http:
        for at in range(rounds + 1):
            held, grant = token("bound-bot", found.key("bound-bot"), "bench", url=found.remit)
            free = await plain_token(http, found.remit, keyfile.load(found.key("plain-bot")))
            ways = {
                "direct": (found.direct, lambda _: {}),
                "bare": (barest, lambda _: {}),
                "dpop": (gateway, bound(grant, held, gateway)),
                "none": (gateway, plain(free)),
            }
            for name, (url, headers) in ways.items():
                rate = await calls(http, url, headers, count)
                if at:  # the first round warms everything up
                    rates[name].append(rate)
    return rates


def rows(rates: dict[str, list[float]]) -> list[dict[str, Any]]:
    def share(name: str, of: str) -> list[float]:
        return [100 * rate / base for rate, base in zip(rates[name], rates[of], strict=True)]

    added = [1e6 / through - 1e6 / direct for through, direct in zip(rates["dpop"], rates["direct"], strict=True)]
    return [
        row(
            "MCP calls/s through the gateway, DPoP, of a bare gateway", share("dpop", "bare"), "%", floor=FLOOR, aim=AIM
        ),
        row("  the same with plain tokens", share("none", "bare"), "%"),
        wished_row("  DPoP, of direct", share("dpop", "direct"), "%", wish=WISH),
        row("  plain token, of direct", share("none", "direct"), "%"),
        row("  the bare gateway, of direct", share("bare", "direct"), "%"),
        row("  direct", rates["direct"], "/s", digits=0),
        row("  through the bare gateway", rates["bare"], "/s", digits=0),
        row("  through, DPoP", rates["dpop"], "/s", digits=0),
        row("  through, plain token", rates["none"], "/s", digits=0),
        row("  added by the gateway, DPoP", added, "us", less_is_better=True, digits=0),
    ]


def main() -> int:
    parser = options(__doc__, rounds=7)
    parser.add_argument("--calls", type=int, default=300, help="calls per round and way")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home, estate(home) as found, bare(found) as barest:
        rates = uvloop.run(measure(found, barest, rounds=chosen.rounds, count=chosen.calls))
    return finish("gateway", rows(rates), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
