"""HTTP calls a second through the HTTP gateway, as a share of the same calls made directly; and added latency.

Three real processes: an API, `remit up` with its durable journal, and this client: aiohttp with 16 connections that
are kept, one call in flight on each. Rounds of direct calls, calls with DPoP and calls with a plain token are
interleaved; proofs are signed ahead of each round. Then a hundred calls a second, evenly, in turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import AGENTS, REMIT, Running, environment, folder, free_port, ready, running, up, wait_for
from benchmarks.report import finish, options, percentile, row

from remit.sdk import keyfile
from remit.sdk.grant import Grant, Token
from remit.sdk.token import token

CONNECTIONS, PACE = 16, 100
FLOOR, AIM = 40.0, 70.0  # of direct calls
CEILING, AIMED = 15.0, 5.0  # milliseconds that the gateway adds to the 99th percentile at `PACE` calls a second
SERVER = "bench"
_FILES = {
    "owners": "owner: dana\nname: Dana Reyes\nemail: dana@example.test\n",
    "purposes/bench": (
        "purpose: bench\nstatement: Measure\nactions: ['bench:GET /*']\ndata_classes: []\nnot_after: 2099-01-01\n"
    ),
    "servers/bench": (
        "server: bench\nkind: http\nurl: http://127.0.0.1:{port}/v1\noperations:\n"
        "  'GET /things/{{id}}': {{tier: low, arguments: {{properties: {{page: {{type: integer}}}}}}}}\n"
        "credential: {{secret: bench-key, inject: bearer}}\n"
    ),
    "agents/{agent}": (
        "agent: {agent}\nowner: dana\nversion: '1'\npurposes: [bench]\nmax_instances: 99\n"
        "sender_constraint: {constraint}\nnot_after: 2099-01-01\nmax_run: 8h\n"
        "attest: [{{private_key_jwt: {{jwk_file: {agent}.pub.jwk}}}}]\n"
    ),
    "boundaries/{agent}": (
        "boundary: {agent}\nagent: {agent}\npurpose: bench\n"
        "allow: [{{action: 'bench:GET /things/{{id}}', when: {{page: {{max: 100}}}}}}]\nnot_after: 2098-01-01\n"
    ),
}
_PATH = "/things/7"
Headers = Callable[[], dict[str, str]]


@contextlib.contextmanager
def estate(home: Path) -> Iterator[Running]:
    """An API, a Remit in front of it, and the agents with an approved boundary."""
    environ, port = environment(home), free_port()
    api = [sys.executable, str(Path(__file__).with_name("http_upstream.py")), str(port)]
    with running(api, environ), running(up("--dev"), environ) as process:
        wait_for(port)
        found = Running(
            direct=f"http://127.0.0.1:{port}/v1{_PATH}", remit=ready(process)["api"], home=home, environ=environ
        )
        for agent, constraint in AGENTS.items():
            found.command("agent", "keygen", agent, "--out", found.key(agent))
            for name, text in _FILES.items():
                path = home / "estate" / (name.format(agent=agent) + ".yaml")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.format(agent=agent, constraint=constraint, port=port), encoding="utf-8")
            public = Path(f"{found.key(agent)}.pub.jwk")
            public.rename(home / "estate" / "agents" / f"{agent}.pub.jwk")
        command = [REMIT, "secret", "set", "bench-key"]
        subprocess.run(command, env=environ, input="a-key-of-the-benchmark", check=True, capture_output=True, text=True)
        found.command("apply", str(home / "estate"), "--approve", "--as", "dana", "--json")
        yield found


async def one(http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    async with http.get(f"{url}?page=2", headers=headers) as answer:
        body = await answer.read()
        assert answer.status == 200, body
    return time.perf_counter() - began


async def calls(http: aiohttp.ClientSession, url: str, made: list[dict[str, str]]) -> float:
    """Calls a second, one in flight on each connection."""
    left = iter(made)

    async def caller() -> None:
        for headers in left:
            await one(http, url, headers)

    gc.collect()
    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    return len(made) / (time.perf_counter() - began)


async def paced(http: aiohttp.ClientSession, url: str, made: list[dict[str, str]]) -> list[float]:
    """Milliseconds of each call, `PACE` of which begin in a second, whatever became of those before."""
    loop, tasks = asyncio.get_running_loop(), []
    gc.collect()
    began = loop.time()
    for at, headers in enumerate(made):
        await asyncio.sleep(max(0.0, began + at / PACE - loop.time()))
        tasks.append(loop.create_task(one(http, url, headers)))
    return [1000 * each for each in await asyncio.gather(*tasks)]


def bound(grant: Grant, held: Token, url: str) -> Headers:
    return lambda: {"Authorization": f"DPoP {held.access_token}", "DPoP": grant.proof("GET", url, held)}


async def plain_token(http: aiohttp.ClientSession, found: Running) -> str:
    """A token that is bound to no key."""
    key = keyfile.load(found.key("plain-bot"))
    form = Grant(found.remit, "plain-bot", key, "bench", SERVER, key).form()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{found.remit}/oauth2/token", data=form, headers=headers) as answer:
        return str((await answer.json())["access_token"])


async def ways(http: aiohttp.ClientSession, found: Running) -> dict[str, tuple[str, Headers]]:
    gateway = f"{found.remit}/http/{SERVER}{_PATH}"
    held, grant = token("bound-bot", found.key("bound-bot"), "bench", url=found.remit)
    free = await plain_token(http, found)
    return {
        "direct": (found.direct, dict),
        "dpop": (gateway, bound(grant, held, gateway)),
        "none": (gateway, lambda: {"Authorization": f"Bearer {free}"}),
    }


async def measure(found: Running, *, rounds: int, count: int, seconds: int) -> list[dict[str, Any]]:
    """Interleaved rounds: first as fast as it goes, then paced."""
    rates: dict[str, list[float]] = {"direct": [], "dpop": [], "none": []}
    times: dict[str, list[list[float]]] = {"direct": [], "dpop": []}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=1.0)
    async with aiohttp.ClientSession(connector=connector) as http:
        for at in range(rounds + 1):
            for name, (url, headers) in (await ways(http, found)).items():
                rate = await calls(http, url, [headers() for _ in range(count)])
                if at:  # the first round warms everything up
                    rates[name].append(rate)
        for _ in range(rounds):
            for name, (url, headers) in (await ways(http, found)).items():
                if name in times:
                    times[name].append(await paced(http, url, [headers() for _ in range(PACE * seconds)]))
    return rows(rates, times)


def rows(rates: dict[str, list[float]], times: dict[str, list[list[float]]]) -> list[dict[str, Any]]:
    def share(name: str) -> list[float]:
        return [100 * rate / base for rate, base in zip(rates[name], rates["direct"], strict=True)]

    tails = {name: [percentile(each, 99) for each in rounds] for name, rounds in times.items()}
    added = [through - direct for through, direct in zip(tails["dpop"], tails["direct"], strict=True)]
    return [
        row("HTTP calls/s, 16 connections, plain token, of direct", share("none"), "%", floor=FLOOR, aim=AIM),
        row("  the same with DPoP", share("dpop"), "%"),
        row("  direct", rates["direct"], "/s", digits=0),
        row("  through, plain token", rates["none"], "/s", digits=0),
        row("  through, DPoP", rates["dpop"], "/s", digits=0),
        row("HTTP added p99 at 100 calls/s, DPoP", added, "ms", floor=CEILING, aim=AIMED, less_is_better=True),
        row("  p99 direct", tails["direct"], "ms", less_is_better=True),
        row("  p99 through", tails["dpop"], "ms", less_is_better=True),
    ]


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--calls", type=int, default=1600, help="calls per round and way")
    parser.add_argument("--seconds", type=int, default=3, help="of paced calls per round and way")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home, estate(home) as found:
        told = uvloop.run(measure(found, rounds=chosen.rounds, count=chosen.calls, seconds=chosen.seconds))
    return finish("http_reverse", told, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
