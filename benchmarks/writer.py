"""How many entries a second the writer makes durable, in units of this file system's own fsync rate.

One run interleaves, round by round, with 4 KiB append + fdatasync before and after each of them:
64 asyncio callers that each await one prebuilt entry after the other; the same by callbacks,
without tasks; the same with entries that the callers make and seal as they go.
Only ratios within one run mean anything: disks differ a hundredfold.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import folder
from benchmarks.report import finish, options, row, tail_row

from remit.audit.service import Recorder
from remit.kernel.clock import SystemClock
from remit.kernel.names import new_id
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.storage.database import Database, open_database
from remit.storage.model import Committed, Entry, Work

CALLERS = 64
ABOUT = "agent:invoice-bot"
FLOOR, AIM = 5.0, 12.0
_FSYNC_SECONDS = 0.25
_POOL = 4096  # distinct headers and payloads; ids are always fresh


def fields(number: int) -> dict[str, Any]:
    """What a decision's header says, with the entropy of a real one."""
    return {
        "agent": "invoice-bot",
        "owner": "dana",
        "purpose": "pay-invoices",
        "run": "run_01jd3k9abcdefghjkmnpqrstvw",
        "instance": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        "action": "payments/transfer",
        "arguments": hashlib.sha256(f"arguments {number}".encode()).hexdigest(),
        "answer": "allow",
        "boundary": "invoice-bot-payments",
        "version": 3,
        "policies": hashlib.sha256(f"policies {number}".encode()).hexdigest()[:16],
    }


PAYLOAD = {
    "arguments": {"amount": "199.50", "currency": "EUR", "to": "DE89370400440532013000", "reference": "2026-11-0042"},
    "facts": {"boundary": "invoice-bot-payments", "used": {"rate": 3, "budget": "1250.50"}, "tier": "critical"},
    "engine": "cedarpy 4.12.2",
}


def recorder(database: Database, home: Path) -> Recorder:
    """A recorder with real keys, in a new database."""
    provider = KeyfileProvider.create(home / "keys" / "keyfile")
    clock = SystemClock()
    database.writer.change(lambda tx: KeyRing.create(tx, provider, now=clock.now()))
    keys = database.reader.read(lambda connection: KeyRing.open(connection, provider))
    database.feed.subscribe(keys.follow)
    database.writer.change(lambda tx: keys.ensure_data_key(tx, ABOUT))
    return Recorder(keys, clock, lambda: database.epoch)


def entries(make: Recorder, count: int) -> list[Entry]:
    """Sealed entries as the pipeline makes them: their headers and payloads, under ids of their own."""
    pool = [make.entry("decision", fields(n), about=ABOUT, payload=PAYLOAD) for n in range(min(count, _POOL))]
    return [Entry(new_id("dec"), pool[n % len(pool)].header, pool[n % len(pool)].payload) for n in range(count)]


def prebuilt(make: Recorder, count: int) -> Iterator[Work]:
    """Works that the callers have in hand."""
    return iter([Work((entry,)) for entry in entries(make, count)])


def sealed(make: Recorder, count: int) -> Iterator[Work]:
    """Works whose entry is made and sealed by the caller that submits it."""
    some = [fields(number) for number in range(min(count, _POOL))]
    return (Work((make.entry("decision", some[n % len(some)], about=ABOUT, payload=PAYLOAD),)) for n in range(count))


def fsync_rate(home: Path, seconds: float) -> float:
    """4 KiB appends, each flushed, per second."""
    block, count = os.urandom(4096), 0
    descriptor = os.open(home / "append", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
    return count / elapsed


def awaiting(database: Database, source: Iterator[Work]) -> tuple[float, list[float]]:
    """64 tasks, each awaiting one entry after the other; entries per second and every latency in seconds."""
    latencies: list[float] = []
    clock = time.perf_counter

    async def caller() -> None:
        submit = database.writer.submit_async
        for work in source:
            start = clock()
            await submit(work)
            latencies.append(clock() - start)

    async def run() -> float:
        start = clock()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return len(latencies) / (clock() - start)

    return _run(run), latencies


def in_flight(database: Database, source: Iterator[Work]) -> tuple[float, list[float]]:
    """64 entries in flight, each completion submitting the next, without tasks."""

    async def run() -> float:
        finished = asyncio.get_running_loop().create_future()
        submit, waiting, count = database.writer.submit_async, CALLERS, 0

        def done(future: asyncio.Future[Committed]) -> None:
            nonlocal waiting, count
            future.result()
            count += 1
            if (work := next(source, None)) is not None:
                submit(work).add_done_callback(done)
                return
            waiting -= 1
            if not waiting:
                finished.set_result(None)

        start = time.perf_counter()
        for _ in range(CALLERS):
            submit(next(source)).add_done_callback(done)
        await finished
        return count / (time.perf_counter() - start)

    return _run(run), []


def _run(main: Callable[[], Any]) -> float:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rate: float = runner.run(main())
        return rate


_VARIANTS = (("awaiting", prebuilt, awaiting), ("in flight", prebuilt, in_flight), ("sealed", sealed, awaiting))


def measure(home: Path, *, rounds: int, count: int, where: str | None = None) -> list[dict[str, Any]]:
    """Rounds on a database in `home` (or at `where`); each rate is told in the flushes just before and after it."""
    database = open_database(where or home / "bench.db")
    fsyncs: list[float] = []
    rates: dict[str, list[float]] = {name: [] for name, _, _ in _VARIANTS}
    ratios: dict[str, list[float]] = {name: [] for name, _, _ in _VARIANTS}
    latencies: list[float] = []
    try:
        make = recorder(database, home)
        awaiting(database, prebuilt(make, 2000))
        for _ in range(rounds):
            fsyncs.append(fsync_rate(home, _FSYNC_SECONDS))
            for name, source, measured in _VARIANTS:
                todo = source(make, count)
                gc.collect()
                rate, slow = measured(database, todo)
                fsyncs.append(fsync_rate(home, _FSYNC_SECONDS))
                rates[name].append(rate)
                ratios[name].append(rate / statistics.mean(fsyncs[-2:]))
                latencies += slow if name == "awaiting" else []
    finally:
        database.close()
    waits = [each * statistics.median(fsyncs) for each in latencies]
    return [
        row("writer, prebuilt entries, 64 callers, in fsyncs", ratios["awaiting"], "x", floor=FLOOR, aim=AIM),
        row("  real sealed entries, in fsyncs", ratios["sealed"], "x"),
        row("  prebuilt, by callbacks without tasks, in fsyncs", ratios["in flight"], "x"),
        row("  4 KiB append + fdatasync", fsyncs, "/s", digits=0),
        row("  prebuilt entries", rates["awaiting"], "/s", digits=0),
        row("  real sealed entries", rates["sealed"], "/s", digits=0),
        tail_row("  prebuilt, wait of one caller, p50, in fsyncs", waits, "x", part=50, parts=rounds),
        tail_row("  prebuilt, wait of one caller, p99, in fsyncs", waits, "x", part=99, parts=rounds),
    ]


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=14_000, help="entries per round and variant")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    parser.add_argument("--database", help="a postgresql:// URL instead of a SQLite file")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home:
        rows = measure(home, rounds=chosen.rounds, count=chosen.count, where=chosen.database)
    return finish("writer", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
