"""Calls a second through the MCP gateway, as a share of the same calls made directly.

Three real processes: a server of the `mcp` SDK (2026-07-28, JSON answers), `remit up` with its
durable journal, and this client: aiohttp, one call in flight. Rounds of direct calls, calls with
DPoP and calls with a plain token are interleaved. Proofs are signed ahead of each round, because
signing is the agent's work and not the gateway's.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import HEADERS, SERVER, Running, body, estate, folder
from benchmarks.report import finish, options, row

from remit.sdk import keyfile
from remit.sdk.grant import Grant, Token
from remit.sdk.token import token

FLOOR, AIM = 45.0, 75.0
BODY = body(2)


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


async def measure(found: Running, *, rounds: int, count: int) -> dict[str, list[float]]:
    """Interleaved rounds; calls a second of each way."""
    gateway = f"{found.remit}/mcp/{SERVER}"
    rates: dict[str, list[float]] = {"direct": [], "dpop": [], "none": []}
    async with aiohttp.ClientSession() as http:
        for at in range(rounds + 1):
            held, grant = token("bound-bot", found.key("bound-bot"), "bench", url=found.remit)
            free = await plain_token(http, found.remit, keyfile.load(found.key("plain-bot")))
            ways = {
                "direct": (found.direct, lambda _: {}),
                "dpop": (gateway, bound(grant, held, gateway)),
                "none": (gateway, plain(free)),
            }
            for name, (url, headers) in ways.items():
                rate = await calls(http, url, headers, count)
                if at:  # the first round warms everything up
                    rates[name].append(rate)
    return rates


def rows(rates: dict[str, list[float]]) -> list[dict[str, Any]]:
    shares = {
        name: [100 * through / direct for through, direct in zip(rates[name], rates["direct"], strict=True)]
        for name in ("dpop", "none")
    }
    added = [1e6 / through - 1e6 / direct for through, direct in zip(rates["dpop"], rates["direct"], strict=True)]
    return [
        row("MCP calls/s through the gateway, DPoP, of direct", shares["dpop"], "%", floor=FLOOR, aim=AIM),
        row("  the same with plain tokens", shares["none"], "%"),
        row("  direct", rates["direct"], "/s", digits=0),
        row("  through, DPoP", rates["dpop"], "/s", digits=0),
        row("  through, plain token", rates["none"], "/s", digits=0),
        row("  added by the gateway, DPoP", added, "us", less_is_better=True, digits=0),
    ]


def main() -> int:
    parser = options(__doc__, rounds=7)
    parser.add_argument("--calls", type=int, default=300, help="calls per round and way")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home, estate(home) as found:
        rates = uvloop.run(measure(found, rounds=chosen.rounds, count=chosen.calls))
    return finish("gateway", rows(rates), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
