import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.sql import SqlAgents
from remit.catalog.injection import Injection
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.catalog.sql import SqlServers
from remit.freezes import spec
from remit.freezes.model import FreezeKind
from remit.freezes.service import FreezeService
from remit.freezes.sql import in_force
from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import FixedClock, Instant, Micros
from remit.kernel.errors import Malformed, NotFound
from remit.kernel.names import AgentName, OwnerName, SecretName, ServerName, ToolName
from remit.people.change import Actor
from remit.people.model import Owner
from remit.people.sql import SqlOwners
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
    transfer = Tool(name=ToolName("transfer"), tier=Tier.HIGH, pin="", definition={}, seen=None, state=PinState.PENDING)
    server = Server(
        server=ServerName("pay"), url="http://x",
        credential=Injection(secret=SecretName("awaited-key"), header="Authorization", format="{}"), tiers=(),
        review="quarantine", tools={transfer.name: transfer}, set_pin="",
    )  # fmt: skip
    SqlServers(tx.connection).put(server)
    SqlOwners(tx.connection).put(Owner(owner=OwnerName("dana"), name="Dana", email="dana@example.test"))


class Vault:
    def names(self, _connection: Any) -> list[str]:
        return ["pay-key"]


@pytest.fixture
def writer() -> MemoryWriter:
    found = MemoryWriter()
    found.change(people_the_world)
    return found


@pytest.fixture
def freezes(writer: MemoryWriter) -> FreezeService:
    return FreezeService(writer=writer, reader=writer, records=Records(), clock=FixedClock(7), secrets=Vault())


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("agent", "bot"), ("server", "pay"), ("instance", THUMBPRINT), ("all", "*"), ("owner", "dana"),
        ("tool", "pay/transfer"), ("credential", "pay-key"), ("credential", "awaited-key"), ("credential", THUMBPRINT),
    ],
)  # fmt: skip
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


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("agent", "bto"), ("server", "bot"), ("owner", "bot"), ("tool", "pay/refund"), ("tool", "bot/transfer"),
        ("credential", "dana"), ("credential", "A" * 42),
    ],
)  # fmt: skip
def test_a_misspelt_freeze_is_no_stop(freezes: FreezeService, kind: str, name: str) -> None:
    with pytest.raises((NotFound, Malformed)):
        freezes.freeze(kind, name, "", by=BY)
    assert freezes.listing() == []


def test_what_a_freeze_cut_is_named_in_entries_of_its_own(freezes: FreezeService, writer: MemoryWriter) -> None:
    freeze = freezes.freeze("agent", "bot", "odd", by=BY)
    epoch = writer.epoch
    calls = [{"decision": f"dec_{n}", "agent": "bot", "action": "pay/transfer", "outcome": "cut"} for n in range(501)]
    freezes.note_cut(freeze, calls, by=BY)
    freezes.note_cut(freeze, [], by=BY)
    said = [parse(entry.header) for entry in writer.entries[1:]]
    assert [(each["what"], each["name"], each["change"], len(each["cut"])) for each in said] == [
        ("freeze", freeze.id, "cut", 500), ("freeze", freeze.id, "cut", 1),
    ]  # fmt: skip
    assert said[0]["cut"] + said[1]["cut"] == calls
    assert writer.epoch == epoch  # what was cut changes nothing


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("agent", "B"),
        ("instance", "short"),
        ("all", "x"),
        ("instance", None),
        ("owner", "B"),
        ("owner", None),
        ("tool", "pay"),
        ("tool", "pay:tools/list"),
        ("tool", "B/x"),
        ("tool", "pay/"),
        ("tool", "pay/a b"),
        ("tool", None),
        ("credential", ""),
        ("credential", "A" * 44),
        ("credential", None),
    ],
)
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


def test_a_freeze_of_another_kind_with_the_same_name_is_another_freeze(
    freezes: FreezeService, writer: MemoryWriter
) -> None:
    def named_alike(tx: Transaction) -> None:
        agent = SqlAgents(tx.connection).find(AgentName("bot"))
        assert agent is not None
        SqlAgents(tx.connection).put(dataclasses.replace(agent, agent=AgentName("pay")))

    writer.change(named_alike)
    server, agent = freezes.freeze("server", "pay", "", by=BY), freezes.freeze("agent", "pay", "", by=BY)
    assert (server.kind, agent.kind) == ("server", "agent")
    key, instance = (freezes.freeze(kind, THUMBPRINT, "", by=BY) for kind in ("credential", "instance"))
    assert len(freezes.listing()) == 4
    assert freezes.unfreeze("agent", "pay", by=BY) == agent
    assert freezes.unfreeze("credential", THUMBPRINT, by=BY) == key
    assert freezes.listing() == [server, instance] or freezes.listing() == [instance, server]


def test_over_an_owners_freeze_another_takes_its_place_and_over_ones_own_none(freezes: FreezeService) -> None:
    """Whoever stops what an owner stopped already makes it a stop that the owner cannot lift; once, not each time."""
    owners = freezes.freeze("agent", "bot", "odd", by=Actor(by="dana"))
    assert freezes.freeze("agent", "bot", "again", by=Actor(by="dana"), over=("dana",)) == owners
    assert freezes.freeze("agent", "bot", "mine", by=Actor(by="sam")) == owners
    sams = freezes.freeze("agent", "bot", "mine", by=Actor(by="sam"), over=("dana",))
    assert (sams.by, sams.id != owners.id) == ("sam", True)
    assert freezes.freeze("agent", "bot", "mine too", by=Actor(by="lee"), over=("dana",)) == sams
    assert freezes.listing() == [sams]


@pytest.mark.parametrize("of", [FreezeKind.INSTANCE, FreezeKind.CREDENTIAL])
def test_what_a_copy_proved_instead_of_a_key_can_be_stopped_too(of: FreezeKind) -> None:
    name = "tls_client_auth:" + "0123456789abcdef" * 2
    assert spec.target(of, name) == name
    with pytest.raises(Malformed):
        spec.target(of, name + "0")
