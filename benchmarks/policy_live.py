"""A thousand policies come into force while decisions go on: how long until they hold, and the longest pause.

Each round hands over a set of 1,000 policies that was never seen before, each of them in the place of another
one, which is read, validated, compared with what is in force, stored, recorded and swapped in, while callers decide
one call after the other over the durable writer. None of the 1,000 is proved to widen nothing, which takes longest,
and so two people say so. What is told is the time from the files to the first decision under them, of it the time
from the request that enforces, and the processor time of the thread that asks for all of it (what is validated and
compared beside it has threads of its own) in units of what the engine takes to parse the same policies once. A pause
is the longest time between two decisions that were committed, beside the same without any change.
The interpreter is set up as a server sets it up.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from cedarpy import PolicySet
from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.decisions import AGENT, Bench, Estate
from benchmarks.estate import folder
from benchmarks.report import finish, options, row

from remit.audit.recovery import OpenCalls
from remit.enforcement.pipeline import Pipeline
from remit.people.change import Actor
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.facts import Facts
from remit.policy.files import PolicyFiles
from remit.policy.service import PolicyService
from remit.policy.sql import load_all
from remit.server import garbage
from remit.server.policy_life import PolicyLife
from remit.server.policy_watch import PolicyWatch
from remit.server.run import TURN

FLOOR_SECONDS, AIM_SECONDS = 0.5, 0.25
CALLERS = 4
ANN, BOB = Actor(by="ann"), Actor(by="bob")
_TRANSFER = 'Remit::Action::"payments/transfer"'
SETTLE = 0.3  # seconds of decisions before and after a change


def policies(count: int, files: int, *, version: int, changed: int) -> dict[str, str]:
    """`count` policies about other agents than the one that calls; so many of them say the version."""
    found: dict[str, list[str]] = {}
    for number in range(count):
        run = f"run-{version}" if number < changed else "run"
        text = (
            f'@id("p{number}")\n@title("Agent {number} makes no large transfers")\n'
            f'forbid (principal == Remit::Agent::"agent-{number}", action == {_TRANSFER}, resource)\n'
            f'when {{ context.input.amount.greaterThan(decimal("{number}.5")) || context.run == "{run}" }};\n'
        )
        found.setdefault(f"policies/{number % files:04d}.cedar", []).append(text)
    return {file: "".join(texts) for file, texts in found.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """What one round came to.

    Args:
        took: Seconds from the files to the first decision under them.
        enforcing: Seconds of it since the request that enforces.
        spent: Seconds of processor that the thread which changes them took.
        pause: Milliseconds between two decisions, at most.
    """

    took: float
    enforcing: float
    spent: float
    pause: float


def _spent(change: Callable[[], None]) -> float:
    start = time.thread_time()
    change()
    return time.thread_time() - start


def _parsing(files: Mapping[str, str]) -> float:
    """Seconds of processor that the engine takes to parse a set once."""
    text, start = "".join(files.values()), time.thread_time()
    PolicySet.from_str(text)
    return time.thread_time() - start


class Stored(Estate):
    """The estate, with the policies that are in the database."""

    def policies(self, connection: Connection) -> Mapping[str, str]:
        return load_all(connection)


class World:
    """Decisions over the durable writer, and what changes the policies under them."""

    def __init__(self, bench: Bench) -> None:
        database, engine, estate = bench.database, CompiledEngine(CedarEngine()), Stored()
        self.bench = bench
        self.asked = 0.0  # when a set that was handed over was last asked to be enforced
        self.facts = Facts(source=estate, engine=engine, contact=bench._contact, reader=estate)  # noqa: SLF001 - a bench's own
        database.reader.read(lambda connection: self.facts.load(connection, epoch=database.epoch))
        database.feed.subscribe(self.facts.apply)
        self.facts.prepare(AGENT)
        policy = PolicyService(
            facts=self.facts, engine=engine, clock=bench.clock, mac=bench.records.mac, docs="/errors"
        )
        self.pipeline = Pipeline(
            decider=policy, records=bench.records, writer=database.writer, recovery=OpenCalls(), clock=bench.clock
        )
        watch = PolicyWatch(observing=policy.observing(), writer=database.writer)
        database.feed.subscribe(watch.follow, watch.reload)
        self.pipeline.aside = watch.observing.saw
        self.life = PolicyLife(
            writer=database.writer, reader=database.reader, records=bench.records, clock=bench.clock, checker=policy,
            files=PolicyFiles(reader=database.reader, records=bench.records), watch=watch,
        )  # fmt: skip

    def bring(self, files: Mapping[str, str]) -> None:
        """Hand a set over and bring it into force."""
        version = self.life.observe(files, by=ANN)["version"]
        self.asked = time.perf_counter()
        # Other conditions may forbid less: whoever brings them says so, and so does another.
        if self.life.enforce(version, by=ANN, counts=True)["waits"]:
            assert not self.life.enforce(version, by=BOB, counts=True)["waits"]

    async def meanwhile(self, change: Callable[[], None]) -> Found:
        """Decide while something changes, and see what came of it."""
        stop, done, first = asyncio.Event(), [], dict[str, float]()

        async def caller() -> None:
            while not stop.is_set():
                under = self.facts.view().organisation.digest
                admitted = await self.pipeline.admit(self.bench.call())
                assert admitted.answer.allowed, admitted.answer
                done.append(time.perf_counter())
                first.setdefault(under, done[-1])

        callers = [asyncio.create_task(caller()) for _ in range(CALLERS)]
        await asyncio.sleep(SETTLE)
        start = time.perf_counter()
        spent = await asyncio.to_thread(_spent, change)
        await asyncio.sleep(SETTLE)
        stop.set()
        await asyncio.gather(*callers)
        await self.pipeline.drain()
        pause = max(later - earlier for earlier, later in itertools.pairwise(sorted(done)))
        live = first[self.facts.view().organisation.digest]
        return Found(took=live - start, enforcing=live - self.asked, spent=spent, pause=1000 * pause)


def measure(bench: Bench, *, rounds: int, count: int, files: int) -> list[dict[str, Any]]:
    """Rounds in turns: every policy is another one, one of them is, nothing changes. The first warms up."""
    world = World(bench)
    every, one, still = Kind(), Kind(), Kind()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for number in range(rounds + 1):
            sets = (
                (every, policies(count, files, version=2 * number, changed=count)),
                (one, policies(count, files, version=2 * number + 1, changed=1)),
            )
            for kind, fresh in sets:
                if kind is one:  # all but one of these were read before
                    world.bring(policies(count, files, version=2 * number, changed=1))
                gc.collect()
                parsing = _parsing(fresh)
                found = runner.run(world.meanwhile(partial(world.bring, fresh)))
                kind.add(found, parsing, warm=number > 0)
            still.add(runner.run(world.meanwhile(lambda: time.sleep(0.5))), 1.0, warm=number > 0)
    new, more = f"{count} other policies in {files} files", f"{count} policies, one of them new"
    pause = "  longest pause between decisions meanwhile"
    return [
        row(f"{new}: in force after", every.took, "s", floor=FLOOR_SECONDS, aim=AIM_SECONDS, less_is_better=True),
        row("  of it, from the request that enforces", every.enforcing, "s", less_is_better=True),
        row("  processor time of who asks, beside parsing them once", every.spent, "x", less_is_better=True),
        row(pause, every.pauses, "ms", less_is_better=True),
        row(f"{more}: in force after", one.took, "s", less_is_better=True),
        row("  of it, from the request that enforces", one.enforcing, "s", less_is_better=True),
        row(pause, one.pauses, "ms", less_is_better=True),
        row("nothing changes: longest pause", still.pauses, "ms", less_is_better=True),
    ]


@dataclass(slots=True)
class Kind:
    """Rounds of one kind."""

    took: list[float] = field(default_factory=list)
    enforcing: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def add(self, found: Found, parsing: float, *, warm: bool) -> None:
        """Note one round, unless it warms up, and how long parsing takes at that moment."""
        if warm:
            self.took.append(found.took)
            self.enforcing.append(found.enforcing)
            self.spent.append(found.spent / parsing)
            self.pauses.append(found.pause)


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=1000, help="policies")
    parser.add_argument("--files", type=int, default=10, help="that they stand in")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    chosen = parser.parse_args()
    sys.setswitchinterval(TURN)
    garbage.settle()
    with folder(chosen.folder) as home, contextlib.closing(Bench(home)) as bench:
        rows = measure(bench, rounds=chosen.rounds, count=chosen.count, files=chosen.files)
    return finish("policy_live", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
