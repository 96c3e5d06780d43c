from collections.abc import Mapping
from typing import Any

import pytest

from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.sql import SqlAgents
from remit.catalog.model import Server
from remit.catalog.sql import SqlServers
from remit.freezes import spec
from remit.freezes.model import FreezeKind
from remit.freezes.service import FreezeService
from remit.freezes.sql import in_force
from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import FixedClock, Instant, Micros
from remit.kernel.errors import ConfigInvalid, Malformed, NotFound
from remit.kernel.names import AgentName, OwnerName, ServerName
from remit.people.change import Actor
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry
from remit.storage.ports import Transaction

BY = Actor(by="admin", as_="dana")
THUMBPRINT = "A" * 43


class Records:
    def entry(self, kind: str, fields: Mapping[str, Any], **_: Any) -> Entry:
        return Entry("chg", canonical({"kind": kind, **fields}))


def people_the_world(tx: Transaction) -> None:
    agent = Agent(
        agent=AgentName("bot"), owner=OwnerName("dana"), version="1", purposes=(), max_instances=1,
        sender_constraint=SenderConstraint.DPOP, not_after=Instant(9), max_run=Micros(1), keys=(),
        state=AgentState.ACTIVE,
    )  # fmt: skip
    SqlAgents(tx.connection).put(agent)
    server = Server(
        server=ServerName("pay"), url="http://x", credential=None, tiers=(), review="quarantine", tools={}, set_pin=""
    )
    SqlServers(tx.connection).put(server)


@pytest.fixture
def writer() -> MemoryWriter:
    found = MemoryWriter()
    found.change(people_the_world)
    return found


@pytest.fixture
def freezes(writer: MemoryWriter) -> FreezeService:
    return FreezeService(writer=writer, reader=writer, records=Records(), clock=FixedClock(7))


@pytest.mark.parametrize(
    ("kind", "name"), [("agent", "bot"), ("server", "pay"), ("instance", THUMBPRINT), ("all", "*")]
)
def test_freeze_and_unfreeze_are_idempotent_and_recorded(
    freezes: FreezeService, writer: MemoryWriter, kind: str, name: str
) -> None:
    heard: list[str] = []
    writer.feed.subscribe(lambda _epoch, topics, _connection: heard.extend(topics))
    freeze = freezes.freeze(kind, name, "odd", by=BY)
    assert (freeze.kind, freeze.name, freeze.reason, freeze.by, freeze.since) == (kind, name, "odd", "dana", 7)
    assert freezes.freeze(kind, name, "again", by=BY) == freeze
    assert freezes.listing() == writer.read(in_force) == [freeze]
    assert freezes.unfreeze(kind, name, by=BY) == freeze
    assert freezes.unfreeze(kind, name, by=BY) is None
    assert freezes.listing() == []
    assert heard == ["freezes", "freezes"]
    said = [parse(entry.header) for entry in writer.entries]
    assert [(each["change"], each["by"], each["as"]) for each in said] == [
        ("freeze", "admin", "dana"), ("unfreeze", "admin", "dana"),
    ]  # fmt: skip
    assert freezes.freeze(kind, name, "", by=BY).id != freeze.id


def test_a_misspelt_freeze_is_no_stop(freezes: FreezeService) -> None:
    with pytest.raises(NotFound):
        freezes.freeze("agent", "bto", "", by=BY)
    with pytest.raises(NotFound):
        freezes.freeze("server", "bot", "", by=BY)
    assert freezes.listing() == []


@pytest.mark.parametrize("kind", ["owner", "tool", "credential"])
def test_what_this_version_cannot_freeze_is_refused(freezes: FreezeService, kind: str) -> None:
    with pytest.raises(ConfigInvalid, match="not available in this version"):
        freezes.freeze(kind, "x", "", by=BY)


@pytest.mark.parametrize(("kind", "name"), [("agent", "B"), ("instance", "short"), ("all", "x"), ("instance", None)])
def test_a_bad_name_is_refused(kind: str, name: Any) -> None:
    with pytest.raises(Malformed):
        spec.target(FreezeKind(kind), name)


@pytest.mark.parametrize("kind", ["", None, "Agent", 1])
def test_a_bad_kind_is_refused(kind: Any) -> None:
    with pytest.raises(Malformed):
        spec.kind(kind)


def test_a_reason_is_one_line() -> None:
    assert spec.reason(None) == ""
    with pytest.raises(Malformed):
        spec.reason("a\nb")
