"""A registry whose agent asks: real decisions that are recorded, requests, the people who answer, and their doors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import insert
from tests.interaction.apply_world import DANA, PUBLIC, Rig, Tree

from remit.access.activation import ActivationKey
from remit.access.activation_seal import UNSEALED
from remit.attestation.model import Caller
from remit.audit.recovery import OpenCalls
from remit.certification.hands import Hands
from remit.certification.usage.coverage import CoverageClock
from remit.enforcement.model import Admitted
from remit.enforcement.pipeline import Pipeline
from remit.kernel.canonical import encode, parse
from remit.kernel.clock import HOUR, Instant
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ServerName,
    ToolName,
    new_id,
)
from remit.keys.jwk import thumbprint
from remit.people.change import Actor
from remit.people.notices import SqlNotices
from remit.policy.cedar import CedarEngine
from remit.policy.facts import Facts
from remit.policy.model import Answer, Call
from remit.policy.service import PolicyService
from remit.requests.binding import Binder
from remit.requests.deliveries import Delivery, SqlDeliveries
from remit.requests.model import AccessRequest
from remit.requests.service import RequestService
from remit.requests.telling import Telling
from remit.requests.wanted import Wanted
from remit.server.stored import StoredFacts
from remit.storage.schema import counters

BOT, WORK = AgentName("invoice-bot"), PurposeName("pay-invoices")
DANA_HERSELF, LEE, MO = Actor(by="dana"), Actor(by="lee"), Actor(by="mo")
OVER = {"amount": Decimal("400.00"), "currency": "EUR", "to": "x"}
FAR = Instant(2**60)


def keyed(value: bytes) -> str:
    """A hash with a key, as the recorder's."""
    import hmac  # noqa: PLC0415 - only here

    return hmac.new(b"k" * 32, value, "sha256").hexdigest()


class OneKey:
    """Data keys of agents; one may be erased."""

    def __init__(self) -> None:
        self.erased = False

    def data_key(self, owner: str) -> bytes:
        from remit.kernel.errors import NotFound  # noqa: PLC0415 - only here

        assert owner == f"agent:{BOT}"
        if self.erased:
            raise NotFound("there is no data key")
        return bytes(32)


class Started:
    """Implements remit.requests.ports.Starter over the real hands."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands

    def start(self, agent: str, purpose: str, action: str, *, by: Actor) -> None:
        key = ActivationKey(AgentName(agent), PurposeName(purpose), ActionName(action), action.partition("/")[0])
        self.hands.start(key, by=by)


class Approvals:
    """`invoice-bot` of dana (backup lee): transfers above 250 need a person."""

    def __init__(self, tree: Tree | None = None) -> None:
        self.rig, self.tree = Rig(), tree or Tree()
        self.rig.apply(self.tree, by=DANA, approve=True)
        writer, clock, records = self.rig.writer, self.rig.clock, self.rig.records
        self.engine = CedarEngine()
        self.facts = self.started()
        writer.feed.subscribe(self.facts.apply)
        self.binder = Binder(base="https://remit.test", key=b"b" * 32, mac=keyed)
        self.policy = PolicyService(
            facts=self.facts, engine=self.engine, clock=clock, mac=keyed, docs="/errors", asking=self.binder.block
        )
        hands = Hands(
            writer=writer, records=records, clock=clock, coverage=CoverageClock(), view=self.facts.view,
            prepare=self.policy.prepare,
        )  # fmt: skip
        self.keys = OneKey()
        self.requests = RequestService(
            writer=writer, reader=writer, records=records, clock=clock, decider=self.policy, binder=self.binder,
            data_keys=self.keys, starter=lambda: Started(hands),
            teller=Telling(base="https://remit.test", clock=clock, webhooks=("https://hook.test/x",), mail=True),
        )  # fmt: skip

    def started(self) -> Facts:
        """The view of a server as it starts, on what is stored."""
        facts = Facts(
            source=StoredFacts(UNSEALED), engine=self.engine, contact=self.rig.clock.now, reader=self.rig.writer,
            mac=keyed,
        )  # fmt: skip
        self.rig.writer.read(lambda connection: facts.load(connection, epoch=self.rig.writer.epoch))
        return facts

    def caller(self, **parts: Any) -> Caller:
        now = self.rig.clock.now()
        caller = Caller(
            agent=BOT, instance=InstanceId("i"), credential=thumbprint(PUBLIC), run=RunId("run_1"), purpose=WORK,
            token="t", expires=FAR, bound=True, attested=now, run_ends=Instant(now + HOUR),
        )  # fmt: skip
        return replace(caller, **parts)

    def call(self, arguments: Mapping[str, Any] = OVER, *, tool: str = "transfer", **parts: Any) -> Call:
        return Call(
            id=DecisionId(new_id("dec")), caller=self.caller(**parts), server=ServerName("payments"),
            tool=ToolName(tool), action=ActionName(f"payments/{tool}"), arguments=arguments,
        )  # fmt: skip

    # what the agent does --------------------------------------------------------------------

    def tries(self, arguments: Mapping[str, Any] = OVER, **parts: Any) -> str:
        """`allow`, or the code of the denial and, where it has one, its state."""
        return said(self.admitted(self.call(arguments, **parts)).answer)

    def admitted(self, *calls: Call, policy: PolicyService | None = None) -> Admitted:
        return self.at_once(*calls, policy=policy)[0]

    def at_once(self, *calls: Call, policy: PolicyService | None = None) -> list[Admitted]:
        """Calls that are decided in one moment."""

        async def all_of_them() -> list[Admitted]:
            pipeline: Any = Pipeline(
                decider=policy or self.policy, records=self.rig.records, writer=self.rig.writer,
                recovery=OpenCalls(), clock=self.rig.clock,
            )  # fmt: skip
            return list(await asyncio.gather(*(pipeline.admit(call) for call in calls)))

        return asyncio.run(all_of_them())

    def denial(self, arguments: Mapping[str, Any] = OVER, **parts: Any) -> dict[str, Any]:
        """The denial as it travels."""
        call = self.call(arguments, **parts)
        found = self.admitted(call)
        assert found.answer.denial is not None
        return dict(self.policy.told(found.answer.denial, call, epoch=found.epoch, evaluated_at=found.evaluated_at))

    def asks(self, arguments: Mapping[str, Any] = OVER, **parts: Any) -> AccessRequest:
        """Tries, is denied, and asks with what the denial said."""
        token = self.denial(arguments)["access_request"]["binding_token"]
        wanted = Wanted(call=self.call(arguments), asker=f"agent:{BOT}", token=token, **parts)
        return self.requests.ask(wanted, by=Actor(by=f"agent:{BOT}"))

    # what becomes of it ---------------------------------------------------------------------

    def later(self, micros: int) -> int:
        """Let time pass, and what is due be done."""
        self.rig.clock.at += micros
        return self.requests.tick()

    def written(self) -> None:
        """Have in the database what the writer counted: who asks without calling reads it there."""
        rows = [
            {"key": key, "window": window, "used": used, "expires": FAR}
            for (key, window), used in self.rig.writer.counters.items()
        ]
        self.rig.writer.change(lambda tx: tx.connection.execute(insert(counters), rows))

    def notices(self) -> list[dict[str, Any]]:
        found = self.rig.writer.read(lambda c: SqlNotices(c).newest([BOT], most=100, unseen=False))
        return [each.said for each in reversed(found)]

    def deliveries(self) -> list[Delivery]:
        return self.rig.writer.read(lambda c: SqlDeliveries(c).due(FAR, 100))

    def recorded(self, call: Call) -> str:
        """What the entry of a decision says of these arguments."""
        return keyed(encode(call.arguments))

    def entries(self, kind: str) -> list[dict[str, Any]]:
        found = [parse(entry.header) for entry in self.rig.writer.entries]
        return [entry for entry in found if entry["kind"] == kind]


def said(answer: Answer) -> str:
    """`allow`, or code and state."""
    denial = answer.denial
    if denial is None:
        return "allow"
    return denial.code.value + (f" {denial.state}" if denial.state else "")
