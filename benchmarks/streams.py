"""How soon a freeze ends what runs: 500 open streams through the gateway, 50 of them one agent's, which is frozen.

Real processes: a streaming MCP server, `remit up` with its durable journal, and here the ten agents, each with 50
open calls on raw sockets, and the operator, who freezes one of them at any moment, waits until its streams have
ended, lets it go on and its calls be opened again. The clock starts before the last bytes of the freeze are handed
to the kernel, and ends for each stream when its last word, an error that says `revoked`, was read. Every event
carries a number: no other agent's stream may miss one, in any round.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import HEADERS, SERVER, Running, body, estate, folder
from benchmarks.report import finish, options, row, tail_row

from remit.sdk import keyfile
from remit.sdk.grant import Grant

FLOOR, AIM = 100.0, 20.0  # milliseconds
AGENTS = {f"bot-{number}": "none" for number in range(10)}
FROZEN = "bot-0"
EACH = 50  # streams of one agent
_MILLION = 1e6
_PATIENCE = 60.0  # seconds; for what must happen, not for what is measured
_EVENT = re.compile(rb'"progress": ?(\d+)')
_REVOKED = re.compile(rb'"code":-32010.*"code":"revoked"')


@dataclass
class Stream:
    """One open call, and the numbers of its events."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: int = 0
    revoked: int = 0  # monotonic_ns of its last word
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        """Read until the end; raises if an event is missing or comes twice."""
        rest = b""
        while chunk := await self.reader.read(65536):
            now = time.monotonic_ns()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if found := _EVENT.search(line):
                    assert int(found[1]) == self.heard + 1, f"event {found[1]!r} after {self.heard}"
                    self.heard += 1
                    self.began.set()
                elif _REVOKED.search(line):
                    self.revoked = now
                    self.ended.set()
                    return
        assert self.writer.is_closing(), f"a stream ended after {self.heard} events without a word: {rest!r}"


class Estate:
    """The ten agents and the operator, over raw HTTP."""

    def __init__(self, found: Running) -> None:
        self._found = found
        address = urlsplit(found.remit)
        self._host, self._port = address.hostname or "", address.port or 0
        self._tokens: dict[str, str] = {}
        secret = json.loads(found.command("operator", "token", "dana", "--role", "security", "--json"))["token"]
        self._operator = f"Authorization: Bearer {secret}\r\nContent-Type: application/json\r\n"
        self.streams: dict[str, list[Stream]] = {agent: [] for agent in AGENTS}
        self._following: list[asyncio.Task[None]] = []

    def renew(self, agent: str) -> None:
        """A new token; a running stream outlives its own."""
        key = keyfile.load(self._found.key(agent))
        form = Grant(self._found.remit, agent, key, "bench", SERVER, key).form()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = httpx2.post(f"{self._found.remit}/oauth2/token", content=form, headers=headers, trust_env=False)
        assert answer.status_code == 200, answer.text
        self._tokens[agent] = answer.json()["access_token"]

    async def open(self, agent: str) -> None:
        """Open an agent's calls, and see each of them speak."""
        self.streams[agent] = [await self._opened(agent) for _ in range(EACH)]
        self._following += [asyncio.create_task(each.follow()) for each in self.streams[agent]]
        async with asyncio.timeout(_PATIENCE):
            for each in self.streams[agent]:
                await each.began.wait()

    async def _opened(self, agent: str) -> Stream:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        sent = body(2)
        headers = HEADERS | {"Authorization": f"Bearer {self._tokens[agent]}", "Content-Length": str(len(sent))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST /mcp/{SERVER} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{head}\r\n".encode() + sent)
        await writer.drain()
        return Stream(reader, writer)

    async def ask(self, method: str, path: str, sent: bytes = b"") -> tuple[int, dict[str, Any]]:
        """What the operator asks: when its last byte was about to leave, and the answer."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nConnection: close\r\n{self._operator}"
        began = time.monotonic_ns()
        writer.write(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        status, _, told = answer.partition(b"\r\n\r\n")
        assert b" 20" in status.splitlines()[0], answer
        return began, json.loads(told)

    def faults(self) -> None:
        """Raise what any stream met."""
        for task in self._following:
            if task.done():
                task.result()

    async def close(self) -> None:
        """Hang up."""
        for stream in (each for streams in self.streams.values() for each in streams):
            stream.writer.close()
        await asyncio.gather(*self._following)


@dataclass(frozen=True, slots=True)
class Round:
    """One freeze: milliseconds to the end of each stream, and to the answer."""

    ends: list[float]
    answer: float


async def stop(estate_: Estate, chance: random.Random) -> Round:
    """Freeze, see every stream end, unfreeze, open them again."""
    await asyncio.sleep(chance.random())
    wanted = json.dumps({"kind": "agent", "name": FROZEN, "reason": "measured"}).encode()
    sent, told = await estate_.ask("POST", "/v1/freezes", wanted)
    answered = time.monotonic_ns()
    async with asyncio.timeout(_PATIENCE):
        for each in estate_.streams[FROZEN]:
            await each.ended.wait()
    assert [call["outcome"] for call in told["cut"]] == ["cut"] * EACH, told
    ends = [(each.revoked - sent) / _MILLION for each in estate_.streams[FROZEN]]
    for each in estate_.streams[FROZEN]:
        each.writer.close()
    await estate_.ask("DELETE", f"/v1/freezes/agent/{FROZEN}")
    await asyncio.to_thread(estate_.renew, FROZEN)
    await estate_.open(FROZEN)
    estate_.faults()
    return Round(ends, (answered - sent) / _MILLION)


async def measure(found: Running, *, rounds: int) -> tuple[list[Round], int]:
    """The rounds, and how many events the other agents got without missing one."""
    estate_, chance = Estate(found), random.Random(1)
    for agent in AGENTS:
        await asyncio.to_thread(estate_.renew, agent)
        await estate_.open(agent)
    others = [each for agent in AGENTS if agent != FROZEN for each in estate_.streams[agent]]
    done = [await stop(estate_, chance) for _ in range(rounds)]
    before = [each.heard for each in others]
    async with asyncio.timeout(_PATIENCE):  # after the last freeze, too, each goes on
        while any(each.heard == heard for each, heard in zip(others, before, strict=True)):  # noqa: ASYNC110 - streams are read
            await asyncio.sleep(0.1)
    estate_.faults()
    assert not any(each.ended.is_set() for each in others)
    await estate_.close()
    return done, sum(each.heard for each in others)


def rows(done: list[Round], events: int) -> list[dict[str, Any]]:
    ends = [each for round_ in done for each in round_.ends]
    parts = max(1, len(done) // 4)
    total = EACH * len(AGENTS)
    return [
        tail_row(f"{total} streams, {EACH} of a frozen agent: to their end, p99", ends, "ms", part=99, parts=parts,
                 floor=FLOOR, aim=AIM),
        tail_row("  p50", ends, "ms", part=50, parts=parts),
        tail_row("  slowest", ends, "ms", part=100, parts=parts),
        row("  freeze to its answer, which lists them", [round_.answer for round_ in done], "ms"),
        row(f"  events of the other {total - EACH}, none missed", [events], "events", digits=0),
    ]  # fmt: skip


def main() -> int:
    parser = options(__doc__, rounds=20)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home, estate(home, agents=AGENTS, server="streaming.py") as found:
        done, events = asyncio.run(measure(found, rounds=chosen.rounds))
    return finish("streams", rows(done, events), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
