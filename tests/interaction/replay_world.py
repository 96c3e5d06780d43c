"""A registry over a database file whose log is the real one: what was decided can be decided again without it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.interaction import apply_world
from tests.interaction.apply_world import DANA, LEE, NOW, Rig, Tree
from tests.interaction.kept_world import OnDisk

from remit.access.activation_seal import UNSEALED
from remit.attestation.model import Caller
from remit.audit.recovery import OpenCalls
from remit.audit.sequencer import Sequencer
from remit.audit.service import Recorder
from remit.audit.states import States
from remit.enforcement.model import Outcome
from remit.enforcement.pipeline import Pipeline
from remit.kernel.clock import HOUR, FixedClock, Instant, Micros
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
    split_action,
)
from remit.keys.jwk import thumbprint
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.facts import Facts
from remit.policy.model import Call
from remit.policy.service import PolicyService
from remit.policy.simulate import Range
from remit.server.simulating import Work, simulate
from remit.server.stored import StoredFacts
from remit.server.what_if import Asked
from remit.storage.database import Database, open_database

BOT, WORK = "invoice-bot", "pay-invoices"


class Opens:
    """Makes what opens the keys, in any process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> KeyfileProvider:
        return KeyfileProvider.load(self.path)


class ReplayWorld:
    """`invoice-bot`, that lists and transfers; everything it asks is recorded, sealed and given a place."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, tree: Tree | None = None) -> None:
        self.folder, self.clock = folder, FixedClock(NOW)
        self.opens = Opens(folder / "keys" / "keyfile")
        KeyfileProvider.create(self.opens.path)
        self.database, self.keys = self._open()
        patch.setattr(apply_world, "MemoryWriter", lambda: OnDisk(self.database))
        patch.setattr(apply_world, "Records", lambda: self.recorder)
        patch.setattr(apply_world, "DataKeys", lambda: self.keys)
        patch.setattr(apply_world, "FixedClock", lambda _now: self.clock)
        self.tree = tree or Tree()
        self._begin()
        self.apply()

    def _open(self) -> tuple[Database, KeyRing]:
        database = open_database(self.folder / "remit.db", clock=self.clock)
        if database.new:
            database.writer.change(lambda tx: KeyRing.create(tx, self.opens(), now=Instant(NOW)))
        keys = database.reader.read(lambda connection: KeyRing.open(connection, self.opens()))
        database.feed.subscribe(keys.follow)
        states = States(keys, database.reader)
        database.writer.complete = states.complete
        database.writer.change(states.begin)
        self.recorder = Recorder(keys, self.clock, lambda: database.epoch)
        self.sequencer = Sequencer(database.writer, database.reader, keys, self.clock)
        return database, keys

    def _begin(self) -> None:
        self.rig = Rig()
        engine, start = CompiledEngine(CedarEngine()), NOW - HOUR
        self.facts = Facts(
            source=StoredFacts(UNSEALED), engine=engine, contact=self.clock.now, reader=self.database.reader,
            covered=lambda: Micros(self.clock.at - start), mac=self.recorder.mac,
        )  # fmt: skip
        self.database.reader.read(lambda connection: self.facts.load(connection, epoch=self.database.epoch))
        self.database.feed.subscribe(self.facts.apply)
        self.policy = PolicyService(
            facts=self.facts, engine=engine, clock=self.clock, mac=self.recorder.mac, docs="/errors"
        )

    def restart(self) -> None:
        """Close the database and open it again; what was in memory only is gone."""
        self.database.close()
        self.database, self.keys = self._open()
        self._begin()

    def apply(self, **more: Any) -> None:
        """Bring the registry in line with the tree; policies that widen get their second person."""
        self.rig.apply(self.tree, by=DANA, approve=True, **more)
        self.rig.applier.apply(self.tree.documents(), by=LEE, voice=_counts())

    def later(self, micros: int) -> None:
        self.clock.at += micros

    def call(self, action: str, arguments: Mapping[str, Any] | None = None, *, agent: str = BOT, **caller: Any) -> str:
        """One call; `allow`, or the code that it was refused with."""
        return asyncio.run(self._call(action, arguments or {}, agent, caller))

    async def _call(self, action: str, arguments: Mapping[str, Any], agent: str, caller: dict[str, Any]) -> str:
        pipeline = self.pipeline()
        admitted = await pipeline.admit(self.asked(action, arguments, agent, **caller))
        if (denial := admitted.answer.denial) is None:
            pipeline.outcome(admitted, Outcome.OK)
        await pipeline.drain()
        return "allow" if denial is None else denial.code.value

    def pipeline(self) -> Pipeline:
        """What calls go through."""
        return Pipeline(
            decider=self.policy, records=self.recorder, writer=self.database.writer, recovery=OpenCalls(),
            clock=self.clock,
        )  # fmt: skip

    def asked(self, action: str, arguments: Mapping[str, Any] | None = None, agent: str = BOT, **caller: Any) -> Call:
        """One call of an agent that holds a token of its own."""
        server, name, is_tool = split_action(action)
        said: dict[str, Any] = {
            "agent": AgentName(agent), "instance": InstanceId("i"), "credential": thumbprint(apply_world.PUBLIC),
            "purpose": PurposeName(WORK), "run": RunId("run_1"), "token": "tok_1", "bound": True,
            "expires": Instant(self.clock.at + HOUR), "attested": Instant(self.clock.at),
            "run_ends": Instant(self.clock.at + HOUR),
        }  # fmt: skip
        return Call(
            id=DecisionId(new_id("dec")),
            caller=Caller(**(said | caller)),
            server=ServerName(server),
            action=ActionName(action),
            tool=ToolName(name) if is_tool else None,
            arguments=(arguments or {}) if is_tool else None,
        )

    def place(self) -> None:
        """Give every entry its place in the log, and file what is not filed."""
        while self.sequencer.run_once():
            pass

    def simulate(
        self, asked: Asked | None = None, *, within: Range | None = None, processes: int = 1, plan: str | None = None
    ) -> dict[str, Any]:
        """What a replay says, beside the open database."""
        self.place()
        work = Work(self.folder, self.opens, asked or Asked(), within or Range())
        return simulate(work, processes=processes, plan=plan)


def _counts() -> Any:
    from remit.server.voice import Voice  # noqa: PLC0415 - of one helper

    return Voice(counts=True)
