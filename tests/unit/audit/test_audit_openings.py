"""Openings of boundaries for emergencies are state: one that no entry says is found, and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from remit.access.draft import Clause, Draft, Version
from remit.access.model import BoundaryState, Rule
from remit.access.sql import SqlBoundaries
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.agents.service import AgentService
from remit.agents.sql import SqlAgents
from remit.certification.breakglass import BreakGlass
from remit.certification.ports import Nobody
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.people.change import Actor
from remit.storage.ports import Transaction

if TYPE_CHECKING:
    from tests.unit.audit.conftest import Ledger

BOT, DANA, LEE = AgentName("bot"), Actor(by="dana"), Actor(by="lee")


class Asked(Nobody):
    """Asks nobody, and takes nothing back."""

    def settle(self, tx: Transaction, **_question: Any) -> None:
        assert tx is not None


def service(ledger: Ledger) -> BreakGlass:
    """Of an agent with one boundary for emergencies."""
    writer, reader, clock = ledger.database.writer, ledger.database.reader, ledger.clock
    now, action = clock.now(), ActionName("s/t")
    agent = Agent(
        agent=BOT, owner=OwnerName("dana"), version="1", purposes=(PurposeName("p"),), max_instances=1,
        sender_constraint=SenderConstraint.NONE, not_after=Instant(now + 99 * DAY), max_run=Micros(HOUR), keys=(),
        state=AgentState.ACTIVE,
    )  # fmt: skip
    draft = Draft(
        boundary=BoundaryName("glass"), agent=BOT, purpose=PurposeName("p"), allow=(Clause(pattern="s/t"),),
        not_after=agent.not_after, break_glass=True,
    )  # fmt: skip
    version = Version(draft=draft, version=1, state=BoundaryState.ACTIVE, rules={action: Rule(action=action)})

    def begin(tx: Transaction) -> None:
        SqlAgents(tx.connection).put(agent)
        SqlBoundaries(tx.connection).put(version)
        for what, name in (("agent", BOT), ("boundary", "glass")):
            tx.record(ledger.recorder.entry("change", {"what": what, "name": name, "change": "create"}))

    writer.change(begin)
    bound: Any = {"writer": writer, "reader": reader, "records": ledger.recorder, "clock": clock}
    return BreakGlass(**bound, signals=AgentService(**bound, data_keys=ledger.keys), questions=Asked)


def problem(ledger: Ledger) -> str:
    return ledger.database.reader.read(ledger.states.check).problem


def behind(ledger: Ledger, statement: str) -> None:
    """What somebody does with the database alone."""
    ledger.database.writer.change(lambda tx: tx.connection.exec_driver_sql(statement) and None)


def test_its_whole_life_stands_in_the_log(either: Ledger) -> None:
    breakglass = service(either)
    opening = breakglass.open("bot", "glass", lasts=Micros(30 * MINUTE), reason="r", ticket="t", by=DANA)
    assert problem(either) == ""
    breakglass.close(opening.opening, by=LEE)
    assert breakglass.tick() == 1
    either.clock.at += DAY
    assert breakglass.tick() == 1
    assert problem(either) == ""
    breakglass.review(opening.opening, accepted=True, note="fine", by=LEE)
    assert problem(either) == ""
    changes = [each.header for each in either.log.recent(99, kind="change", what="opening")]
    assert [(each["change"], each["by"], each["review"]) for each in reversed(changes)] == [
        ("open", "dana", "open"),
        ("close", "lee", "open"),
        ("end", "remit", "unreviewed"),
        ("overdue", "remit", "overdue"),
        ("accept", "lee", "reviewed"),
    ]
    assert len({each["state"] for each in changes}) == 5, "each says what it left"


@pytest.mark.parametrize(
    "forged",
    [
        "INSERT INTO openings SELECT 'opn_2', agent, boundary, 'lee', opened, ends + 1, due, body FROM openings",
        "UPDATE openings SET ends = ends + 3600000000",
        "UPDATE openings SET \"by\" = 'lee'",
        "UPDATE openings SET body = replace(body, 'why', 'because')",
        "DELETE FROM openings",
        "UPDATE boundaries SET kind = NULL",
    ],
)
def test_what_no_entry_says_is_found(ledger: Ledger, forged: str) -> None:
    service(ledger).open("bot", "glass", lasts=Micros(30 * MINUTE), reason="why", ticket="t", by=DANA)
    assert problem(ledger) == ""
    behind(ledger, forged)
    assert ("boundary glass" if "boundaries" in forged else "opening opn_") in problem(ledger)
