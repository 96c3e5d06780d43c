"""How many entries a second the writer makes durable, in units of this file system's own fsync rate.

One run interleaves, round by round: 4 KiB append + fdatasync; 64 asyncio callers that each
await one prebuilt entry after the other; the same by callbacks, without tasks; the same with
entries that the callers make and seal as they go.
Only ratios within one run mean anything: disks differ a hundredfold.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

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


def recorder(database: Database, folder: Path) -> Recorder:
    """A recorder with real keys, in a new database."""
    provider = KeyfileProvider.create(folder / "keys" / "keyfile")
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


def fsync_rate(folder: Path, seconds: float) -> float:
    """4 KiB appends, each flushed, per second."""
    block, count = os.urandom(4096), 0
    descriptor = os.open(folder / "append", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
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


def measure(folder: Path, *, rounds: int, count: int, where: str | None = None) -> dict[str, Any]:
    """Interleaved rounds on a database in `folder` (or at `where`), as rates, ratios and latencies."""
    database = open_database(where or folder / "bench.db")
    fsyncs: list[float] = []
    variants = (("awaiting", prebuilt, awaiting), ("in_flight", prebuilt, in_flight), ("sealed", sealed, awaiting))
    rates: dict[str, list[float]] = {name: [] for name, _, _ in variants}
    latencies: list[float] = []
    try:
        make = recorder(database, folder)
        awaiting(database, prebuilt(make, 2000))
        for _ in range(rounds):
            fsyncs.append(fsync_rate(folder, 0.25))
            for name, source, measured in variants:
                todo = source(make, count)
                gc.collect()
                rate, slow = measured(database, todo)
                rates[name].append(rate)
                latencies += slow if name == "awaiting" else []
            fsyncs.append(fsync_rate(folder, 0.25))
    finally:
        database.close()
    unit = statistics.median(fsyncs)
    latencies.sort()
    report: dict[str, Any] = {"callers": CALLERS, "floor": FLOOR, "aim": AIM, "fsync_per_second": _spread(fsyncs)}
    for name, values in rates.items():
        ratios = [
            value / statistics.mean(fsyncs[2 * at : 2 * at + 2]) for at, value in enumerate(values)
        ]  # each round against the flushes just before and after it
        report[name] = {"per_second": _spread(values), "ratio": _spread(ratios)}
    report["latency_in_fsyncs"] = {
        f"p{p}": round(latencies[int(len(latencies) * p / 100)] * unit, 1) for p in (50, 99, 99.9)
    }
    report["ok"] = report["awaiting"]["ratio"]["median"] >= FLOOR
    return report


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 2),
        "low": round(min(values), 2),
        "high": round(max(values), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=14_000, help="entries per round and variant")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    parser.add_argument("--database", help="a postgresql:// URL instead of a SQLite file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=options.folder))
    try:
        report = measure(folder, rounds=options.rounds, count=options.count, where=options.database)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps(report))
    else:
        print(f"fsync             {report['fsync_per_second']['median']:>10,.0f}/s")
        for name in ("awaiting", "in_flight", "sealed"):
            rate, ratio = report[name]["per_second"], report[name]["ratio"]
            print(
                f"writer, {name:<10}{rate['median']:>10,.0f}/s   {ratio['median']:.1f} fsyncs"
                f" ({ratio['low']:.1f} to {ratio['high']:.1f}; floor {FLOOR:.0f}, aim {AIM:.0f})"
            )
        print(f"latency in fsyncs: {report['latency_in_fsyncs']}")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
