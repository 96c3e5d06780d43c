"""A calling world whose database is a file, with several agents: what it leaves can be read without it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select
from tests.interaction import apply_world
from tests.interaction.apply_world import Tree
from tests.interaction.calling_world import CallingWorld
from typer.testing import CliRunner

from remit.access.activation import Activation, ActivationKey
from remit.access.activation_sql import SqlActivations
from remit.audit.stored import read_bundle
from remit.certification.hands import Hands
from remit.certification.usage.coverage import KEY
from remit.cli.activation import certify
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, Micros, rfc3339
from remit.kernel.names import ActionName, AgentName, PurposeName, RunId, new_id
from remit.people.change import Actor
from remit.policy.model import Call
from remit.storage.database import Database
from remit.storage.model import Entry
from remit.storage.schema import activations, bundles, meta

AGENTS = ("audit-bot", "invoice-bot", "report-bot")
FORMS = ("plain", "duckdb")
PERSON = Actor(by="dana")


class OnDisk:
    """Stands for a writer in memory."""

    def __init__(self, database: Database) -> None:
        self._database, self._writer, self._reader = database, database.writer, database.reader
        self.feed = database.feed
        self.change, self.submit, self.submit_async = (
            self._writer.change,
            self._writer.submit,
            self._writer.submit_async,
        )
        self.read = self._reader.read

    @property
    def epoch(self) -> int:
        return self._database.epoch

    @property
    def entries(self) -> list[Entry]:
        found = self.read(lambda connection: list(connection.execute(select(bundles).order_by(bundles.c.bundle))))
        return [Entry("", each) for row in found for each in read_bundle(row.headers, row.count)[0]]


class Records:
    """Entries in the clear, of the test's own time."""

    def __init__(self) -> None:
        self.clock: Any = None

    def entry(self, kind: str, fields: Mapping[str, Any], *, id: str | None = None, **_: Any) -> Entry:  # noqa: A002 - the port's
        entry = id or new_id("ver" if kind == "verdict" else "ent")
        time = rfc3339(self.clock.now()) if self.clock else rfc3339(0)
        return Entry(entry, canonical({"v": 1, "id": entry, "time": time, **fields, "kind": kind}))


class Several(Tree):
    """The documents of `AGENTS`, that may do the same."""

    def __init__(self) -> None:
        super().__init__()
        self.purpose["actions"] = ["payments/*"]
        self.server["tools"]["delete_payee"] = {"tier": "medium"}
        self.boundary["allow"].append({"action": "payments/delete_payee", "needs": ["payments/list_payees"]})

    def documents(self) -> list[dict[str, Any]]:
        found = super().documents()
        for name in AGENTS:
            for each in [each for each in found if each["kind"] in {"agent", "boundary"}]:
                if each["spec"].get("agent") == "invoice-bot" != name:
                    more = {"boundary": f"pay-{name}"} if each["kind"] == "boundary" else {}
                    found.append({**each, "file": f"{name}.yaml", "spec": {**each["spec"], "agent": name, **more}})
        return found


class Gappy:
    """The record is whole from the beginning on, but for what was missed."""

    def __init__(self, world: KeptWorld) -> None:
        self.world = world

    def covered(self) -> Micros:
        return Micros(self.world.rig.clock.at - self.world.begun - self.world.missed)


class KeptWorld(CallingWorld):
    """A world over a database, with the clock's beats written down."""

    def __init__(self, database: Database, patch: pytest.MonkeyPatch) -> None:
        self.missed, self.who = 0, AGENTS[0]
        patch.setattr(apply_world, "MemoryWriter", lambda: OnDisk(database))
        patch.setattr(apply_world, "Records", Records)
        patch.setattr("tests.interaction.calling_world.Coverage", lambda _world: Gappy(self))
        super().__init__(Several())
        records: Any = self.rig.records
        records.clock = self.rig.clock
        coverage: Any = Gappy(self)
        self.hands = Hands(
            writer=self.rig.writer, records=records, clock=self.rig.clock, coverage=coverage, view=self.facts.view,
            prepare=self.facts.prepare,
        )  # fmt: skip
        for agent in AGENTS:
            self.facts.prepare(agent)

    def _asked(self, tool: str, arguments: Mapping[str, Any], purpose: str) -> Call:
        asked = super()._asked(tool, arguments, purpose)
        run = RunId(f"run-{self.who}-{self.rig.clock.at // DAY}")
        return dataclasses.replace(asked, caller=dataclasses.replace(asked.caller, agent=AgentName(self.who), run=run))

    def calls(self, agent: str, *tools: str) -> None:
        self.who = agent
        for tool in tools:
            assert self.call(tool) == {"allow"}

    def key(self, agent: str, tool: str) -> ActivationKey:
        return ActivationKey(AgentName(agent), PurposeName("pay-invoices"), ActionName(f"payments/{tool}"), "payments")

    def beat(self) -> None:
        """What every minute does: use is written down, and what the coverage clock shows."""
        self.flush()
        value = canonical({"covered": Gappy(self).covered(), "at": self.rig.clock.at}).decode()

        def write(tx: Any) -> None:
            tx.connection.execute(delete(meta).where(meta.c.key == KEY))
            tx.connection.execute(insert(meta).values(key=KEY, value=value))

        self.rig.writer.change(write)

    def stored(self) -> dict[ActivationKey, Activation]:
        def read(connection: Connection) -> list[Activation]:
            return [each for agent in AGENTS for each in SqlActivations(connection).of_agent(agent)]

        return {each.key: each for each in self.rig.writer.read(read)}

    def dues(self) -> list[int]:
        """When each is looked at again, the next first."""
        query = select(activations.c.due).order_by(activations.c.due)
        return self.rig.writer.read(lambda connection: list(connection.execute(query).scalars()))


def copied(data: Path, to: Path) -> Path:
    """A data directory's copy, in one file."""
    to.mkdir()
    with closing(sqlite3.connect(data / "remit.db")) as there, closing(sqlite3.connect(to / "remit.db")) as here:
        there.backup(here)
    return to


def recounted(data: Path, forms: Sequence[str] = FORMS) -> tuple[int, dict[str, Any]]:
    """What the command answers, in plain SQL and in DuckDB, which must be the same."""
    answers = []
    for form in forms:
        more = ["--duckdb"] if form == "duckdb" else []
        for shown in ([], ["--json"]):
            done = CliRunner().invoke(certify, ["recount", "--data", str(data), *more, *shown], standalone_mode=False)
            assert done.exception is None, done.exception
            answers.append((done.return_value, done.stdout))
    (code, text), (same, said) = answers[:2]
    assert answers == answers[:2] * len(forms)
    assert code == same
    return code, {**json.loads(said), "text": text}


def altered(data: Path, to: Path, statement: str, *values: object) -> Path:
    """A copy in which somebody changed one row."""
    shutil.copytree(data, to)
    with closing(sqlite3.connect(to / "remit.db")) as there:
        assert there.execute(statement, values).rowcount == 1
        there.commit()
    return to
