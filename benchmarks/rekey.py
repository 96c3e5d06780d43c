"""A re-key of the root key over a million data keys, while a server decides: how long, and who notices.

`remit up` on a database with that many data keys (SQLite). Eight enforcement points ask it to decide, durably, one
question after the other with a pause between them: for a while before, and for as long as the re-key takes, which two
people begin. Every answer is checked; one that is no allow counts as an error. What is told is the time from the second
word until the old root key is wiped, and the slowest hundredth of the decisions of both stretches.

Beside it what sealing costs: a short value sealed and opened again, as secrets and payloads are.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import REMIT, SERVER, Running, estate, folder
from benchmarks.report import finish, options, percentile, row, tail_row

from remit.kernel.clock import SystemClock
from remit.keys.generations import data_key_place
from remit.keys.keyfile import KeyfileProvider
from remit.keys.seal import KEY_BYTES, SealingKey, seal, unseal
from remit.keys.service import KeyRing
from remit.storage.database import open_database
from remit.storage.ports import Transaction
from remit.storage.schema import data_keys

FLOOR_SECONDS, AIM_SECONDS = 300.0, 150.0
FLOOR_MICROSECONDS, AIM_MICROSECONDS = 100.0, 20.0
AGENTS = {"plain-bot": "none"}
CALLERS, PAUSE = 8, 0.02  # seconds
BEFORE = 20.0  # seconds
POLL = 0.2
PARTS = 10  # stretches, for the spread
FILLED = 20_000  # rows in one change
VALUE = os.urandom(200)  # a token, a short payload


@dataclass(slots=True)
class Seen:
    """What callers saw: milliseconds of each answer, and what went wrong."""

    times: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def fill(home: Path, count: int) -> None:
    """A new database with so many data keys, before its server starts for the first time."""
    data, keyfile = home / ".local" / "share" / "remit", home / ".config" / "remit" / "keyfile"
    data.mkdir(parents=True, mode=0o700)
    provider, clock = KeyfileProvider.create(keyfile), SystemClock()
    database = open_database(data / "remit.db", clock=clock)
    try:
        database.writer.change(lambda tx: KeyRing.create(tx, provider, now=clock.now()))
        ring = database.reader.read(lambda connection: KeyRing.open(connection, provider))
        for first in range(0, count, FILLED):
            numbers = range(first, min(first + FILLED, count))
            database.writer.change(lambda tx, numbers=numbers: _some(tx, ring, numbers))  # type: ignore[misc]
    finally:
        database.close()


def _some(tx: Transaction, ring: KeyRing, numbers: range) -> None:
    generation, wrapping = ring.roots.newest(tx.connection)
    rows = []
    for number in numbers:
        owner = f"secret:upstream-{number:07}"
        sealed = seal(wrapping, os.urandom(KEY_BYTES), aad=data_key_place(owner, 1, generation))
        rows.append({"owner": owner, "version": 1, "wrapped": sealed, "created": 0})
    tx.connection.execute(insert(data_keys), rows)


async def caller(
    http: aiohttp.ClientSession, url: str, headers: dict[str, str], seen: Seen, end: asyncio.Event
) -> None:
    """Ask one question after the other until the end."""
    number = 0
    while not end.is_set():
        number += 1
        question = {
            "subject": {"type": "agent", "id": "plain-bot"},
            "action": {"name": f"{SERVER}/add"},
            "resource": {"type": "server", "id": SERVER},
            "context": {"purpose": "bench", "arguments": {"a": 40, "b": number}},
        }
        began = time.perf_counter()
        try:
            async with http.post(url, json=question, headers=headers) as answer:
                said = await answer.read()
                if answer.status != 200 or not json.loads(said)["decision"]:
                    seen.failed.append(f"{answer.status} {said[:200]!r}")
        except aiohttp.ClientError as error:
            seen.failed.append(repr(error))
        seen.times.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(PAUSE)


async def _rekeyed(found: Running) -> float:
    """Two people begin; seconds until the old root is wiped."""
    await asyncio.to_thread(_remit, found, "key", "rekey", "--as", "dana", code=11)
    began = time.perf_counter()
    await asyncio.to_thread(_remit, found, "key", "rekey", "--as", "lee")
    await asyncio.to_thread(_remit, found, "key", "rekey", "--wait")
    return time.perf_counter() - began


def _remit(found: Running, *words: str, code: int = 0) -> None:
    done = subprocess.run([REMIT, *words], env=found.environ, check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stderr


async def measure(found: Running, pep: str) -> tuple[float, Seen, Seen]:
    """Seconds of the re-key; what callers saw before it and meanwhile."""
    url, headers = f"{found.remit}/access/v1/evaluation", {"Authorization": f"Bearer {pep}"}
    async with aiohttp.ClientSession() as http:

        async def during(work: Any) -> tuple[Any, Seen]:  # noqa: ANN401 - whatever it says
            seen, end = Seen(), asyncio.Event()
            callers = [asyncio.create_task(caller(http, url, headers, seen, end)) for _ in range(CALLERS)]
            said = await work
            end.set()
            await asyncio.gather(*callers)
            return said, seen

        await during(asyncio.sleep(3))  # warm
        _, before = await during(asyncio.sleep(BEFORE))
        seconds, meanwhile = await during(_rekeyed(found))
    return seconds, before, meanwhile


def sealing(rounds: int, count: int = 20_000) -> list[float]:
    """Microseconds of a value sealed and opened again, under a key that seals many."""
    key, place = SealingKey(os.urandom(KEY_BYTES)), ("secrets", "upstream", 1)
    found = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        for _ in range(count):
            unseal(key, seal(key, VALUE, aad=place), aad=place)
        found.append(1e6 * (time.process_time() - began) / count)
    return found


def rows(keys: int, seconds: list[float], before: Seen, meanwhile: Seen, sealed: list[float]) -> list[dict[str, Any]]:
    slow = [percentile(each.times, 99) for each in (before, meanwhile)]
    return [
        row(f"{keys:,} data keys under a new root key, online", seconds, "s", floor=FLOOR_SECONDS, aim=AIM_SECONDS,
            less_is_better=True),
        row("  decisions meanwhile that failed", [len(meanwhile.failed)], "", floor=0, less_is_better=True, digits=0),
        row("  decisions meanwhile", [len(meanwhile.times)], "", digits=0),
        row("  keys sealed anew", [keys / each for each in seconds], "/s", digits=0),
        tail_row("  a decision before, p50", before.times, "ms", part=50, parts=PARTS),
        tail_row("  a decision meanwhile, p50", meanwhile.times, "ms", part=50, parts=PARTS),
        tail_row("  a decision before, p99", before.times, "ms", part=99, parts=PARTS),
        tail_row("  a decision meanwhile, p99", meanwhile.times, "ms", part=99, parts=PARTS),
        row("  p99 meanwhile, of before", [slow[1] / slow[0]], "x", less_is_better=True),
        row("  the slowest decision before", [max(before.times)], "ms", less_is_better=True),
        row("  the slowest decision meanwhile", [max(meanwhile.times)], "ms", less_is_better=True),
        row("a short value sealed and opened, processor time", sealed, "us", floor=FLOOR_MICROSECONDS,
            aim=AIM_MICROSECONDS, less_is_better=True),
    ]  # fmt: skip


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    sealed = sealing(chosen.rounds)
    with folder(chosen.folder) as home:
        fill(home, chosen.keys)
        with estate(home, agents=AGENTS) as found:
            pep = json.loads(found.command("pep", "add", "edge", "--json"))["token"]
            seconds, before, meanwhile = uvloop.run(measure(found, pep))
    for problem in (before.failed + meanwhile.failed)[:5]:
        print(problem, file=sys.stderr)
    return finish("rekey", rows(chosen.keys, [seconds], before, meanwhile, sealed), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
