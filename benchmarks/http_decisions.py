"""Durable decisions a second over HTTP, as a share of the same over a writer without a disk.

A server process (this one) answers `/access/v1/evaluation` as `remit up` does, on uvicorn and uvloop; an enforcement
point in a process of its own asks on 64 connections, one question after the other on each. Rounds over the SQLite
writer stand between rounds over the in-memory writer, which exists only here. Only the ratio means anything elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.decisions import AGENT, PAY, Bench
from benchmarks.estate import folder
from benchmarks.report import finish, options, row

from remit.enforcement.batches import Batches
from remit.enforcement.candidates import Candidates
from remit.enforcement.own_types import OwnTypes
from remit.enforcement.points import Points
from remit.enforcement.presented import Shown
from remit.enforcement.questions import Questions
from remit.enforcement.search_tokens import Tokens
from remit.enforcement.searching import Searching
from remit.kernel.clock import Instant
from remit.kernel.errors import NotFound
from remit.server.evaluation import Evaluation
from remit.server.peps import Gatekeeper, add
from remit.storage.memory import MemoryWriter
from remit.storage.ports import Writer

FLOOR, AIM = 45.0, 65.0
ASKING = str(Path(__file__).with_name("asking.py"))


def never(decision: str) -> Mapping[str, Any]:
    raise NotFound(decision)  # nobody reports here


class NoTokens:
    """Nobody shows one here."""

    def read(self, token: str, *, now: Instant) -> None:
        """There is none."""


def served(bench: Bench, writer: Writer, keeper: Gatekeeper) -> Evaluation:
    """The endpoint over `writer`."""
    policy = bench.policy()
    pipeline = bench.pipeline_of(policy, writer)
    own_types = OwnTypes(answers=pipeline.answers, judges=policy, docs="/errors")
    questions = Questions(
        purposes=lambda agent: (PAY,) if agent == AGENT else None, judges=policy, own_types=own_types, base="",
        shown=Shown(NoTokens(), "", bench.clock),
    )  # fmt: skip
    points = Points(pipeline=pipeline, questions=questions, header=never, clock=bench.clock, docs="/errors")
    searching = Searching(
        answers=pipeline.answers, own_types=own_types,
        candidates=Candidates(judges=policy, purposes=questions.purposes), tokens=Tokens(bytes(32)),
    )  # fmt: skip
    return Evaluation(keeper=keeper, points=points, batches=Batches(points), searching=searching, body_limit=1 << 20)


@contextlib.asynccontextmanager
async def listening(app: Evaluation) -> AsyncIterator[int]:
    """Serve `app` with the settings of `remit up`; its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, loop="none", http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, timeout_keep_alive=75,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))  # noqa: SLF001 - `serve` would take the signals
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def asked(port: int, token: str, count: int) -> float:
    """One round by a process of its own; decisions a second."""
    gc.collect()
    process = await asyncio.create_subprocess_exec(
        sys.executable, ASKING, str(port), token, str(count), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, "the enforcement point failed"
    return float(out)


def registered(bench: Bench) -> tuple[Gatekeeper, str]:
    """An enforcement point, and its token."""
    keeper = Gatekeeper()
    token = bench.database.writer.change(lambda tx: add(tx, "edge", now=bench.clock.now()))
    bench.database.reader.read(keeper.reload)
    return keeper, token


async def measure(bench: Bench, keeper: Gatekeeper, token: str, *, rounds: int, count: int) -> list[dict[str, Any]]:
    """Interleaved rounds: over memory, durable, memory again; a ratio is against the memory rounds beside it."""
    memory = MemoryWriter()
    rates: dict[str, list[float]] = {"memory": [], "durable": []}
    ratios: list[float] = []
    async with (
        listening(served(bench, memory, keeper)) as fast,
        listening(served(bench, bench.database.writer, keeper)) as real,
    ):
        for port in (fast, real):
            await asked(port, token, count // 4)
        for _ in range(rounds):
            before = await asked(fast, token, count)
            memory.entries.clear()
            durable = await asked(real, token, count)
            after = await asked(fast, token, count)
            memory.entries.clear()
            rates["memory"] += [before, after]
            rates["durable"].append(durable)
            ratios.append(100 * durable / ((before + after) / 2))
    return [
        row("durable decisions over HTTP, 64 callers, of in-memory", ratios, "%", floor=FLOOR, aim=AIM),
        row("  durable decisions over HTTP", rates["durable"], "/s", digits=0),
        row("  over the in-memory writer", rates["memory"], "/s", digits=0),
    ]


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=3000, help="decisions per round and writer")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home, contextlib.closing(Bench(home)) as bench:
        keeper, token = registered(bench)
        rows = uvloop.run(measure(bench, keeper, token, rounds=chosen.rounds, count=chosen.count))
    return finish("http_decisions", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
