"""Durable decisions a second, as a share of the same decisions over a writer without a disk.

One run interleaves, round by round: 64 asyncio callers that each ask for one decision after
the other (decide with Cedar, the sealed entry, a proof used once, a rate and a budget reserved)
over the in-memory writer and over the SQLite writer. Only the ratio means anything elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import gc
import itertools
import pstats
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import Connection

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import folder
from benchmarks.report import finish, options, row

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.model import Bound, Boundary, BoundaryState, Budget, Purpose, PurposeState, Rate, Rule
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.risk import Risk
from remit.attestation.model import Caller
from remit.audit.recovery import OpenCalls
from remit.audit.service import Recorder
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.enforcement.model import Admitted, Outcome
from remit.enforcement.pipeline import Pipeline
from remit.freezes.model import Freeze
from remit.kernel.clock import HOUR, SECOND, Instant, Micros, SystemClock
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    DecisionId,
    InstanceId,
    OwnerName,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
    new_id,
)
from remit.keys.jwk import thumbprint
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.people.model import Owner
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.facts import Facts
from remit.policy.model import Call
from remit.policy.service import PolicyService
from remit.storage.database import Database, open_database
from remit.storage.memory import MemoryWriter
from remit.storage.model import ConsumeProof
from remit.storage.ports import Writer

CALLERS = 64
FLOOR, AIM = 45.0, 65.0
AGENT, PAY, PAYMENTS = AgentName("invoice-bot"), PurposeName("pay-invoices"), ServerName("payments")
FAR = Instant(4_102_444_800_000_000)
_SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "amount": {"type": "number"}, "currency": {"type": "string"}},
    "required": ["to", "amount", "currency"],
}
_POLICY = """
@id("no-deletions")
forbid (principal, action == Remit::Action::"payments/delete_payee", resource);
@id("large-amounts-by-day")
forbid (principal, action == Remit::Action::"payments/transfer", resource)
when { context.input has amount && context.input.amount.greaterThan(decimal("10000.00")) };
"""


KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # RFC 8037 appendix A


class Estate:
    """Implements remit.policy.ports.FactSource: one agent with one boundary on one server."""

    def owners(self, _connection: Connection) -> Iterable[Owner]:
        return [Owner(owner=OwnerName("dana"), name="Dana Reyes", email="dana@example.test")]

    def agents(self, _connection: Connection) -> Iterable[Agent]:
        yield Agent(
            agent=AGENT, owner=OwnerName("dana"), version="1.4", purposes=(PAY,), max_instances=20,
            sender_constraint=SenderConstraint.DPOP, not_after=FAR, max_run=Micros(8 * HOUR), keys=(KEY,),
            state=AgentState.ACTIVE,
        )  # fmt: skip

    def purposes(self, _connection: Connection) -> Iterable[Purpose]:
        yield Purpose(
            purpose=PAY, statement="Pay supplier invoices that were approved",
            actions=("payments/list_*", "payments/transfer"), data_classes=("financial",), not_after=FAR,
            state=PurposeState.ACTIVE,
        )  # fmt: skip

    def boundaries(self, _connection: Connection) -> Iterable[Boundary]:
        transfer = Rule(
            action=ActionName("payments/transfer"),
            when=(Bound(argument="amount", max=Decimal("500.00")), Bound(argument="currency", in_=("EUR",))),
            rate=Rate(count=10**9, per="min"),
            budget=Budget(argument="amount", max=Decimal(10**12), per="month"),
        )
        yield Boundary(
            boundary=BoundaryName("invoice-bot-payments"), version=3, agent=AGENT, purpose=PAY,
            rules={transfer.action: transfer}, not_after=FAR, state=BoundaryState.ACTIVE,
            approved_by=OwnerName("dana"), approved_at=Instant(0),
        )  # fmt: skip

    def servers(self, _connection: Connection) -> Iterable[Server]:
        transfer = Tool(
            name=ToolName("transfer"), tier=Tier.CRITICAL, pin="00" * 32,
            definition={"name": "transfer", "inputSchema": _SCHEMA}, seen=None, state=PinState.APPROVED,
        )  # fmt: skip
        yield Server(
            server=PAYMENTS, url="http://127.0.0.1:9101/mcp", credential=None, tiers=(), review="pin-on-first-use",
            tools={transfer.name: transfer}, set_pin="",
        )  # fmt: skip

    def activations(self, _connection: Connection, _agent: str) -> Iterable[Activation]:
        """The transfer is in force, so a decision judges it and starts nothing."""
        now = SystemClock().now()
        yield Activation(
            key=ActivationKey(AGENT, PAY, ActionName("payments/transfer"), PAYMENTS),
            boundary=BoundaryName("invoice-bot-payments"), boundary_version=3, agent_version="1.4",
            state=ActivationState.ACTIVE, since=now, started=now, by="", serial=1,
            usage=Usage(now, Micros(0), 3, (1, 1)),
        )  # fmt: skip

    def together(self, _connection: Connection, _agent: str) -> dict[Any, Any]:
        return {}

    def coverage(self, _connection: Connection) -> dict[str, Any]:
        return {}

    def doubts(self, _connection: Connection) -> dict[str, Any]:
        return {}

    def approvals(self, _connection: Connection) -> list[Any]:
        return []

    def openings(self, _connection: Connection) -> dict[Any, Any]:
        return {}

    def risks(self, _connection: Connection, _agent: str | None = None) -> Iterable[tuple[str, Risk]]:
        return ()

    def read(self, query: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - whatever is read
        """Implements remit.storage.ports.Reader: nothing here needs a connection."""
        return query(None)

    def freezes(self, _connection: Connection) -> Iterable[Freeze]:
        return []

    def policies(self, _connection: Connection) -> Mapping[str, str]:
        return {"organisation.cedar": _POLICY}

    def owner(self, connection: Connection, name: str) -> Owner | None:
        return next((owner for owner in self.owners(connection) if owner.owner == name), None)

    def agent(self, connection: Connection, name: str) -> Agent | None:
        return next((agent for agent in self.agents(connection) if agent.agent == name), None)

    def purpose(self, connection: Connection, name: str) -> Purpose | None:
        return next((purpose for purpose in self.purposes(connection) if purpose.purpose == name), None)

    def boundaries_of(self, connection: Connection, agent: str) -> Iterable[Boundary]:
        return [boundary for boundary in self.boundaries(connection) if boundary.agent == agent]

    def server(self, connection: Connection, name: str) -> Server | None:
        return next((server for server in self.servers(connection) if server.server == name), None)


class Bench:
    """One decision point with real keys, over either writer."""

    def __init__(self, home: Path) -> None:
        self.clock = SystemClock()
        self.database: Database = open_database(home / "bench.db")
        provider = KeyfileProvider.create(home / "keys" / "keyfile")
        writer, reader = self.database.writer, self.database.reader
        writer.change(lambda tx: KeyRing.create(tx, provider, now=self.clock.now()))
        keys = reader.read(lambda connection: KeyRing.open(connection, provider))
        self.database.feed.subscribe(keys.follow)
        writer.change(lambda tx: keys.ensure_data_key(tx, f"agent:{AGENT}"))
        self.records = Recorder(keys, self.clock, lambda: self.database.epoch)
        self._numbers = itertools.count(1)

    def pipeline(self, writer: Writer) -> Pipeline:
        """A pipeline over `writer`, with facts of its own."""
        engine = CompiledEngine(CedarEngine())
        estate = Estate()
        facts = Facts(source=estate, engine=engine, contact=self._contact, reader=estate)
        self.database.reader.read(lambda connection: facts.load(connection, epoch=self.database.epoch))
        facts.prepare(AGENT)
        policy = PolicyService(facts=facts, engine=engine, clock=self.clock, mac=self.records.mac, docs="/errors")
        return Pipeline(
            decider=policy, records=self.records, writer=writer, recovery=OpenCalls(), clock=self.clock
        )  # fmt: skip

    def call(self) -> Call:
        """The next transfer, as the gateway hands it over: parsed, with a proof of its own."""
        number = next(self._numbers)
        now = self.clock.now()
        return Call(
            id=DecisionId(new_id("dec")),
            caller=_CALLER,
            server=PAYMENTS,
            action=ActionName("payments/transfer"),
            tool=ToolName("transfer"),
            arguments={
                "to": "DE89370400440532013000",
                "amount": Decimal(number % 49_999 + 1).scaleb(-2),
                "currency": "EUR",
            },
            proof=ConsumeProof(f"dpop:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs:{number:064x}", _in_a_minute(now)),
        )

    def close(self) -> None:
        self.database.close()

    def _contact(self) -> Instant:
        return Instant(self.clock.now() - int((time.monotonic() - self.database.last_contact) * SECOND))


def _in_a_minute(now: Instant) -> Instant:
    return Instant(now + 60 * SECOND)


_CALLER = Caller(
    agent=AGENT,
    instance=InstanceId("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
    credential=thumbprint(KEY),
    purpose=PAY,
    run=RunId("run_01jd3k9abcdefghjkmnpqrstvw"),
    token="tok_01jd3k9abcdefghjkmnpqrstvw",  # noqa: S106 - an id, not a token
    expires=FAR,
    bound=True,
    run_ends=FAR,
)
Done = Callable[[Pipeline, Admitted], None]


def rate(bench: Bench, pipeline: Pipeline, count: int, done: Done | None = None) -> float:
    """64 tasks, each asking for one decision after the other; decisions per second."""
    left = itertools.repeat(None, count)

    async def caller() -> None:
        for _ in left:
            admitted = await pipeline.admit(bench.call())
            assert admitted.answer.allowed, admitted.answer
            if done is not None:
                done(pipeline, admitted)

    async def run() -> float:
        start = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        elapsed = time.perf_counter() - start
        await pipeline.drain()
        return count / elapsed

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def settled(pipeline: Pipeline, admitted: Admitted) -> None:
    """What the gateway says of a call when its upstream has answered."""
    pipeline.outcome(admitted, Outcome.OK)


def measure(bench: Bench, *, rounds: int, count: int) -> list[dict[str, Any]]:
    """Interleaved rounds: over memory, durable, memory again; a ratio is against the memory rounds beside it."""
    memory_writer = MemoryWriter()
    memory, durable = bench.pipeline(memory_writer), bench.pipeline(bench.database.writer)
    rates: dict[str, list[float]] = {"memory": [], "durable": [], "settled": [], "settled memory": []}

    def one(name: str, pipeline: Pipeline, done: Done | None = None) -> float:
        memory_writer.entries.clear()
        gc.collect()
        measured = rate(bench, pipeline, count, done)
        rates[name].append(measured)
        return measured

    for pipeline in (memory, durable):
        rate(bench, pipeline, count // 4)
    ratios, with_outcomes = [], []
    for _ in range(rounds):
        before = one("memory", memory)
        real = one("durable", durable)
        ratios.append(100 * real / ((before + one("memory", memory)) / 2))
        with_outcomes.append(100 * one("settled", durable, settled) / one("settled memory", memory, settled))
    return [
        row("durable decisions, 64 callers, of in-memory", ratios, "%", floor=FLOOR, aim=AIM),
        row("  durable decisions", rates["durable"], "/s", digits=0),
        row("  decisions over the in-memory writer", rates["memory"], "/s", digits=0),
        row("  durable decisions each with its outcome, of in-memory", with_outcomes, "%"),
        row("  durable decisions each with its outcome", rates["settled"], "/s", digits=0),
    ]


def profile(bench: Bench, *, count: int) -> None:
    """Where the event loop's time goes, over either writer."""
    for name, writer in (("memory", MemoryWriter()), ("durable", bench.database.writer)):
        pipeline = bench.pipeline(writer)
        rate(bench, pipeline, count // 4)
        profiler = cProfile.Profile()
        profiler.enable()
        rate(bench, pipeline, count)
        profiler.disable()
        print(name)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


def main() -> int:
    parser = options(__doc__, rounds=5)
    parser.add_argument("--count", type=int, default=3000, help="decisions per round and writer")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    with folder(chosen.folder) as home, contextlib.closing(Bench(home)) as bench:
        if chosen.profile:
            profile(bench, count=chosen.count)
            return 0
        rows = measure(bench, rounds=chosen.rounds, count=chosen.count)
    return finish("decisions", rows, as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
