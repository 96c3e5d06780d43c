"""Imported use as rightsizing reads it, in both databases and in memory."""

from __future__ import annotations

from remit.certification.ports import ObservedUses
from remit.certification.rightsizing.proposal import Observed
from remit.certification.usage.model import Kind, UsageEvent
from remit.certification.usage.observed_sql import SqlObservedUses
from remit.certification.usage.sql import SqlUsage
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName, AgentName, PurposeName
from remit.storage.database import Database
from remit.storage.memory import MemoryWriter

BOT = AgentName("bot")
EVENTS = [
    UsageEvent("src", "a", Instant(7), Kind.USE, "bot", "pay", "s/t"),
    UsageEvent("src", "b", Instant(9), Kind.USE, "bot", "", "s/u"),
    UsageEvent("src", "c", Instant(8), Kind.DENIAL, "bot", "pay", "s/t"),
    UsageEvent("src", "d", Instant(8), Kind.ERROR, "bot", "pay", "s/t"),
    UsageEvent("src", "e", Instant(8), Kind.USE, "other", "pay", "s/t"),
    UsageEvent("remit", "f", Instant(8), Kind.USE, "bot", "pay", "s/t"),
]


def expected(uses: ObservedUses) -> None:
    old = Observed(agent=BOT, purpose=PurposeName("pay"), action=ActionName("s/t"), at=Instant(7))
    new = Observed(agent=BOT, purpose=PurposeName(""), action=ActionName("s/u"), at=Instant(9))
    assert list(uses.of(BOT, most=10)) == [new, old]
    assert list(uses.of(BOT, most=1)) == [new]
    assert list(uses.of(AgentName("nobody"), most=10)) == []


def test_uses_of_one_agent_newest_first(any_database: Database) -> None:
    any_database.writer.change(lambda tx: SqlUsage(tx.connection).append(1, EVENTS))
    expected(SqlObservedUses(any_database.reader))


def test_and_in_memory() -> None:
    memory = MemoryWriter()
    memory.change(lambda tx: SqlUsage(tx.connection).append(1, EVENTS))
    expected(SqlObservedUses(memory))
