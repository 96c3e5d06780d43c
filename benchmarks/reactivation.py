"""What it adds to a call that it must first bring back an entitlement that lapsed.

Real processes: an MCP server with six tools, `remit up` with its durable journal, and this client with one call in
flight, which acts for 80 agents. Five tools of medium risk have a `ttl` of seconds in every agent's boundary: their
owner starts them, they lapse by themselves while nobody calls (never used: 400 habits that end together would be taken
for a broken record), and each comes back with one timed call, up to the agent's quota of five an hour. Each of these
400 calls stands beside an ordinary one of the same agent, size and answer, to a sixth tool that is in force; which of
the two comes first changes from pair to pair. What was added is the time of the call that brings back, less the median
of the ordinary ones.

That they were reactivations is seen from outside: the log has a verdict `lapse` for each entitlement before, and
exactly one verdict `reactivate` for each after, from `lapsed`, by nobody, recorded with a decision of its own; and
the server's ledger has every call once.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import HEADERS, SERVER, Running, body, estate, folder
from benchmarks.report import finish, options, tail_row
from benchmarks.tools import MORE

from remit.sdk.grant import Grant, Token
from remit.sdk.token import token

FLOOR, AIM = 50.0, 10.0  # milliseconds
KEPT = "add"  # the tool that stays in force
TTL = 15  # seconds; what came back must not lapse again while the last calls are timed
_PATIENCE = 120.0  # seconds; for what must happen, not for what is measured
_THOUSAND = 1e3
_LIMIT = 100  # verdicts of one agent to read: it has at most four for each entitlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Milliseconds of each call, pair by pair."""

    ordinary: list[float]
    back: list[float]


class Client:
    """Calls tools for all agents, over one connection."""

    def __init__(self, http: aiohttp.ClientSession, found: Running, agents: list[str]) -> None:
        self._http = http
        self._url = f"{found.remit}/mcp/{SERVER}"
        self._held: dict[str, tuple[Token, Grant]] = {
            agent: token(agent, found.key(agent), "bench", url=found.remit) for agent in agents
        }
        self.made = 0

    async def call(self, agent: str, tool: str) -> float:
        """Milliseconds from sending a call until its answer was read; the proof is signed before."""
        self.made += 1
        held, grant = self._held[agent]
        headers = HEADERS | {
            "Mcp-Name": tool, "Authorization": f"DPoP {held.access_token}",
            "DPoP": grant.proof("POST", self._url, held),
        }  # fmt: skip
        message = json.loads(body(self.made))
        message["params"]["name"] = tool
        sent = json.dumps(message).encode()
        began = time.perf_counter()
        async with self._http.post(self._url, data=sent, headers=headers) as answer:
            text = await answer.read()
        took = time.perf_counter() - began
        told = json.loads(text).get("result", {}).get("structuredContent")
        assert told == {"result": 40 + self.made}, text
        return took * _THOUSAND


class Owner:
    """The owner of the agents: starts entitlements, and reads the verdicts."""

    def __init__(self, http: aiohttp.ClientSession, found: Running) -> None:
        secret = json.loads(found.command("operator", "token", "dana", "--role", "owner", "--json"))["token"]
        self._http, self._remit, self._headers = http, found.remit, {"Authorization": f"Bearer {secret}"}

    async def start(self, agent: str, tool: str) -> None:
        """Start one."""
        said = {"agent": agent, "action": f"{SERVER}/{tool}"}
        url = f"{self._remit}/v1/activations/start"
        async with self._http.post(url, json=said, headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()

    async def verdicts(self, agent: str) -> list[dict[str, Any]]:
        """All of one agent's."""
        url = f"{self._remit}/v1/verdicts?agent={agent}&limit={_LIMIT}"
        async with self._http.get(url, headers=self._headers) as answer:
            found: list[dict[str, Any]] = (await answer.json())["verdicts"]
        assert len(found) < _LIMIT, "there may be more verdicts"
        return found

    async def has(self, agents: list[str], verdict: str) -> Counter[tuple[str, str]]:
        """How often each (agent, action) has this verdict."""
        found = [each for agent in agents for each in await self.verdicts(agent)]
        return Counter((each["agent"], each["action"]) for each in found if each["verdict"] == verdict)


def lapsing(found: Running, agents: list[str]) -> None:
    """Give every agent the five tools, of medium risk, which lapse; the sixth stays as it is."""
    server = found.home / "estate" / "servers" / "bench.yaml"
    server.write_text(server.read_text(encoding="utf-8").replace("tier: low", "tier: medium"), encoding="utf-8")
    for agent in agents:
        file = found.home / "estate" / "boundaries" / f"{agent}.yaml"
        rule = "when: {a: {max: 100}}"
        file.write_text(
            f"boundary: {agent}\nagent: {agent}\npurpose: bench\nallow:\n  - {{action: bench/{KEPT}, {rule}}}\n"
            f"  - {{action: 'bench/add_*', {rule}, ttl: {TTL}s}}\nnot_after: 2098-01-01\n",
            encoding="utf-8",
        )
    found.command("apply", str(found.home / "estate"), "--approve", "--as", "dana", "--json")


def pairs(agents: list[str]) -> Iterator[tuple[str, str]]:
    """Every entitlement that lapses; two of one agent are far apart."""
    return ((agent, tool) for tool in MORE for agent in agents)


async def lapsed(owner: Owner, agents: list[str]) -> None:
    """Wait until every entitlement that lapses has, and the log says so."""
    wanted = {(agent, f"{SERVER}/{tool}") for agent, tool in pairs(agents)}
    await asyncio.sleep(TTL)
    async with asyncio.timeout(_PATIENCE):
        while set(await owner.has(agents, "lapse")) != wanted:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.5)


async def timed(client: Client, agents: list[str]) -> Times:
    """Bring back each entitlement with one call, beside an ordinary one."""
    times = Times(ordinary=[], back=[])
    gc.collect()
    gc.disable()
    for at, (agent, tool) in enumerate(pairs(agents)):
        first, second = [(KEPT, times.ordinary), (tool, times.back)][:: 1 if at % 2 else -1]
        for name, taken in (first, second):
            taken.append(await client.call(agent, name))
    gc.enable()
    return times


async def seen(owner: Owner, agents: list[str]) -> None:
    """See that each timed call was a reactivation, and no other call was."""
    found = [each for agent in agents for each in await owner.verdicts(agent) if each["verdict"] == "reactivate"]
    came = Counter((each["agent"], each["action"]) for each in found)
    assert came == Counter((agent, f"{SERVER}/{tool}") for agent, tool in pairs(agents)), came
    assert {(each["from"], each["to"], each.get("by")) for each in found} == {("lapsed", "active", None)}, found[:3]
    assert len({each["decision"] for each in found}) == len(found), "two came back with one decision"


async def measure(found: Running, agents: list[str]) -> tuple[Times, int]:
    """Start everything, let it lapse, bring it back; and how many calls that took in all."""
    async with aiohttp.ClientSession() as http:
        client, owner = Client(http, found, agents), Owner(http, found)
        for agent in agents:
            await client.call(agent, KEPT)
        for agent, tool in pairs(agents):
            await owner.start(agent, tool)
        await lapsed(owner, agents)
        for agent in agents:  # a call after the pause warms up what has grown cold
            await client.call(agent, KEPT)
        assert not await owner.has(agents, "reactivate")
        times = await timed(client, agents)
        await seen(owner, agents)
    return times, client.made


def rows(times: Times, *, rounds: int) -> list[dict[str, Any]]:
    usual = statistics.median(times.ordinary)
    added = [each - usual for each in times.back]
    return [
        tail_row("added by reactivation to its call, p99", added, "ms", part=99, parts=rounds, floor=FLOOR, aim=AIM),
        tail_row("  p50", added, "ms", part=50, parts=rounds),
        tail_row("  slowest", added, "ms", part=100, parts=rounds),
        tail_row("  the call that reactivates, p50", times.back, "ms", part=50, parts=rounds),
        tail_row("  the call that reactivates, p99", times.back, "ms", part=99, parts=rounds),
        tail_row("  an ordinary call, p50", times.ordinary, "ms", part=50, parts=rounds),
        tail_row("  an ordinary call, p99", times.ordinary, "ms", part=99, parts=rounds),
    ]


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--agents", type=int, default=80, help="each brings back five entitlements")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    agents = [f"bot-{number}" for number in range(chosen.agents)]
    with folder(chosen.folder) as home:
        ledger = home / "ledger"
        with estate(home, ledger=ledger, agents=dict.fromkeys(agents, "dpop"), server="tools.py") as found:
            lapsing(found, agents)
            times, made = uvloop.run(measure(found, agents))
        arrived = Counter(map(int, ledger.read_text(encoding="ascii").split()))
    assert arrived == Counter(range(1, made + 1)), "the server's ledger does not have every call once"
    print(f"{len(times.back)} verdicts `reactivate`, one for each timed call", file=sys.stderr)
    return finish("reactivation", rows(times, rounds=chosen.rounds), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
