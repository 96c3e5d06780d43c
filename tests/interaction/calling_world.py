"""A registry whose agents call: real decisions, outcomes that a test says, days of use, and the daily work after it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection
from tests.interaction.apply_world import DANA, Rig, Tree

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_seal import UNSEALED
from remit.access.activation_sql import SqlActivations
from remit.agents.signals import Signal
from remit.attestation.model import Caller
from remit.audit.recovery import OpenCalls
from remit.certification.batch import Consequences
from remit.certification.doubting import Doubting
from remit.certification.noticing.own_signals import OwnSignals
from remit.certification.ports import Nobody
from remit.certification.posture.report import PostureReport
from remit.certification.service import CertificationService
from remit.certification.usage.days import UseDay
from remit.certification.usage.sql import SqlUseDays
from remit.enforcement.model import Outcome
from remit.enforcement.pipeline import Pipeline
from remit.kernel.canonical import parse
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import (
    ActionName,
    AgentName,
    BoundaryName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
)
from remit.people.notices import SqlNotices
from remit.policy.cedar import CedarEngine
from remit.policy.facts import Facts
from remit.policy.model import Call
from remit.policy.service import PolicyService
from remit.server.door import Ask
from remit.server.http_posture import PostureDoors
from remit.server.operators import Operator, Role
from remit.server.stored import StoredFacts

BOT, WORK = AgentName("invoice-bot"), PurposeName("pay-invoices")
FAR = Instant(2**60)
TOO_MUCH = {"amount": Decimal("900.00"), "currency": "EUR", "to": "x"}
VIEWER = Operator(person="v", roles=frozenset({Role.VIEWER}))


class Coverage:
    """The record is whole from the beginning of the test on."""

    def __init__(self, world: CallingWorld) -> None:
        self.world = world

    def covered(self) -> Micros:
        return Micros(self.world.rig.clock.at - self.world.begun)


class CallingWorld:
    """`invoice-bot`, that may list and transfer."""

    def __init__(self, tree: Tree | None = None) -> None:
        self.rig = Rig()
        self.begun = self.rig.clock.at
        writer, clock, records = self.rig.writer, self.rig.clock, self.rig.records
        self.rig.apply(tree or Tree(), by=DANA, approve=True)
        coverage: Any = Coverage(self)
        self.facts = Facts(
            source=StoredFacts(UNSEALED), engine=CedarEngine(), contact=clock.now, reader=writer,
            covered=coverage.covered,
        )  # fmt: skip
        writer.read(lambda connection: self.facts.load(connection, epoch=writer.epoch))
        writer.feed.subscribe(self.facts.apply)
        self.policy = PolicyService(
            facts=self.facts, engine=CedarEngine(), clock=clock, mac=lambda _bytes: "", docs="/errors"
        )
        nobody: Any = Nobody()
        doubting = Doubting(writer=writer, reader=writer, records=records, clock=clock, asker=nobody)
        self.service = CertificationService(
            writer=writer, reader=writer, clock=clock, coverage=coverage, view=self.facts.view,
            after=Consequences(records=records, asker=nobody, withdrawer=nobody, doubting=doubting),
        )  # fmt: skip
        self.own = OwnSignals(
            writer=writer, reader=writer, view=self.facts.view, clock=clock, signaller=self.rig.agents
        )
        self.doors = PostureDoors(report=PostureReport(reader=writer, clock=clock), clock=clock)
        self._calls = 0
        self.aside: Any = None

    def later(self, micros: int) -> None:
        self.rig.clock.at += micros

    def call(
        self, tool: str, arguments: Mapping[str, Any] | None = None, *, outcome: Outcome = Outcome.OK, times: int = 1,
        purpose: str = WORK,
    ) -> set[str]:  # fmt: skip
        """Call a tool so many times; `allow`, or the codes of what was refused."""
        return asyncio.run(self._call(tool, arguments or {}, outcome, times, purpose))

    async def _call(
        self, tool: str, arguments: Mapping[str, Any], outcome: Outcome, times: int, purpose: str
    ) -> set[str]:
        pipeline: Any = Pipeline(
            decider=self.policy, records=self.rig.records, writer=self.rig.writer, recovery=OpenCalls(),
            clock=self.rig.clock,
        )  # fmt: skip
        pipeline.aside = self.aside
        found = set()
        for _ in range(times):
            admitted = await pipeline.admit(self._asked(tool, arguments, purpose))
            denial = admitted.answer.denial
            found.add("allow" if denial is None else denial.code.value)
            if denial is None:
                pipeline.outcome(admitted, outcome)
        await pipeline.drain()
        return found

    def _asked(self, tool: str, arguments: Mapping[str, Any], purpose: str) -> Call:
        self._calls += 1
        caller = Caller(
            agent=BOT, instance=InstanceId("i"), credential="", purpose=PurposeName(purpose), run=RunId("r"), token="",
            expires=FAR, bound=True, attested=Instant(self.rig.clock.at), pep="gateway",
        )  # fmt: skip
        return Call(
            id=DecisionId(f"dec_{self._calls}"), caller=caller, server=ServerName("payments"),
            action=ActionName(f"payments/{tool}"), tool=ToolName(tool), arguments=arguments,
        )  # fmt: skip

    def begun_with(self, tool: str) -> ActivationKey:
        """An entitlement that started now, in the database."""
        at, key = Instant(self.rig.clock.at), ActivationKey(BOT, WORK, ActionName(f"payments/{tool}"), "payments")
        it = Activation(
            key=key, boundary=BoundaryName("pay"), boundary_version=1, agent_version="1.4",
            state=ActivationState.ACTIVE, since=at, started=at, by="", serial=1,
            usage=Usage(at, Micros(at - self.begun)),
        )  # fmt: skip
        self.rig.writer.change(lambda tx: SqlActivations(tx.connection).put(it, expected=0, due=0))
        self.facts.prepare(BOT, again=True)
        return key

    def flush(self) -> None:
        """What every heartbeat does."""
        with self.service.flushing() as flush:
            self.rig.writer.change(flush)

    def daily(self) -> int:
        """The day's end: what was seen is written down, and looked at."""
        self.flush()
        return self.own.check()

    def rows(self) -> list[UseDay]:
        return self.rig.writer.read(lambda connection: SqlUseDays(connection).of_agent(BOT))

    def noticed(self) -> set[tuple[Signal, str]]:
        """Of the registry and of the view that decisions are made in, which must agree."""
        found = {(each.signal, each.about) for each in self.rig.agents.risk(BOT).noticed}
        assert found == {(each.signal, each.about) for each in self.facts.view().agents[BOT].risk.noticed}
        return found

    def told(self) -> list[tuple[str, str | None, str | None]]:
        """What the owner was told, oldest first."""

        def read(connection: Connection) -> list[tuple[str, str | None, str | None]]:
            newest = SqlNotices(connection).newest([BOT], most=99, unseen=False)
            return [(each.said["what"], each.said.get("reason"), each.said.get("action")) for each in reversed(newest)]

        return self.rig.writer.read(read)

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Entries of the log, oldest first."""
        found = [parse(entry.header) for entry in self.rig.writer.entries]
        return [entry for entry in found if entry["kind"] == kind]

    def recorded(self) -> list[tuple[str, str, bool, str]]:
        """Every change of a signal in the log."""
        found = [each for each in self.entries("change") if each["change"] == "signal"]
        return [(each["signal"], each["about"], each["on"], each["by"]) for each in found]

    def clockwork(self, **query: str) -> dict[str, Any]:
        return self.doors.clockwork(Ask(operator=VIEWER, path={}, query=query))
