"""Runs, instances and single use in a transaction, on each database."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from remit.access.model import Purpose, PurposeState
from remit.agents.model import Agent, AgentState, SenderConstraint
from remit.kernel.clock import DAY, MINUTE, Instant, Micros
from remit.kernel.names import AgentName, InstanceId, OwnerName, PurposeName, RunId
from remit.storage.database import Database
from remit.storage.model import ConsumeProof, Work
from remit.storage.schema import instances
from remit.tokens.model import Granted, Run, Wish
from remit.tokens.sql import SqlRuns

NOON = Instant(1_795_608_000_000_000)
PROOF = ConsumeProof("dpop:key:jti", Instant(4_000_000_000_000_000))


def granted(run: str = "run_1", *, instance: str = "i", token_expires: int = NOON + 5 * MINUTE) -> Granted:
    wish = Wish(
        agent=Agent(
            agent=AgentName("a"),
            owner=OwnerName("o"),
            version="1",
            purposes=(PurposeName("p"),),
            max_instances=2,
            sender_constraint=SenderConstraint.DPOP,
            not_after=Instant(NOON + DAY),
            max_run=Micros(DAY),
            keys=(),
            state=AgentState.ACTIVE,
        ),
        purpose=Purpose(
            purpose=PurposeName("p"),
            statement="",
            actions=(),
            data_classes=(),
            not_after=Instant(NOON + DAY),
            state=PurposeState.ACTIVE,
        ),
        instance=InstanceId(instance),
        credential="c",
        audience=("http://remit.test",),
        jkt=instance,
        new_run=False,
    )
    kept = Run(
        run=RunId(run),
        instance=InstanceId(instance),
        purpose=PurposeName("p"),
        opened=NOON,
        ends=Instant(NOON + DAY),
        token_expires=Instant(token_expires),
    )
    return Granted(wish=wish, run=kept, token="tok_1", issued=NOON, expires=Instant(token_expires))


def test_a_run_is_read_back_as_it_was_kept(any_database: Database) -> None:
    one, other = granted(), granted("run_2", instance="j")
    for each in (one, other):
        any_database.writer.change(lambda tx, kept=each: SqlRuns(tx.connection).save(kept, now=NOON))  # type: ignore[misc] # bound now
    later = replace(one, run=replace(one.run, token_expires=Instant(NOON + 9 * MINUTE)))
    any_database.writer.change(lambda tx: SqlRuns(tx.connection).save(later, now=Instant(NOON + MINUTE)))

    def read(now: int) -> list[Run]:
        found = any_database.reader.read(lambda connection: SqlRuns(connection).open_runs(AgentName("a"), Instant(now)))
        return sorted(found, key=lambda run: run.run)

    assert read(NOON) == [later.run, other.run]
    assert read(NOON + 20 * MINUTE) == [later.run]
    assert read(NOON + 24 * MINUTE) == []
    assert read(NOON + DAY) == []
    rows = any_database.reader.read(lambda connection: connection.execute(select(instances)).all())
    seen = {(row.instance, row.first_seen, row.last_seen) for row in rows}
    assert seen == {("i", NOON, NOON + MINUTE), ("j", NOON, NOON)}


def test_a_proof_is_used_once_by_whatever_door(any_database: Database) -> None:
    writer = any_database.writer
    assert writer.change(lambda tx: SqlRuns(tx.connection).consume(PROOF))
    assert not writer.change(lambda tx: SqlRuns(tx.connection).consume(PROOF))
    assert writer.submit(Work((), (PROOF,))).result().failed == PROOF
    other = replace(PROOF, key="dpop:key:other")
    assert writer.submit(Work((), (other,))).result().failed is None
    assert not writer.change(lambda tx: SqlRuns(tx.connection).consume(other))


def test_what_is_rolled_back_was_not_used(any_database: Database) -> None:
    def refuse(connection: SqlRuns) -> None:
        assert connection.consume(PROOF)
        raise KeyError("refused after all")

    with pytest.raises(KeyError):
        any_database.writer.change(lambda tx: refuse(SqlRuns(tx.connection)))
    assert any_database.writer.change(lambda tx: SqlRuns(tx.connection).consume(PROOF))


def test_one_instances_end_is_no_other_ones(any_database: Database) -> None:
    """Two commands run side by side for one agent: when one is over, the other goes on."""
    runs = [granted(), granted("run_2", instance="j"), granted("run_3")]
    stranger = replace(granted("run_4"), wish=replace(runs[0].wish, agent=replace(runs[0].wish.agent, agent="b")))  # type: ignore[arg-type] # a name
    for each in (*runs, stranger):
        any_database.writer.change(lambda tx, kept=each: SqlRuns(tx.connection).save(kept, now=NOON))  # type: ignore[misc] # bound now

    def end(now: int) -> list[str]:
        return sorted(
            any_database.writer.change(
                lambda tx: SqlRuns(tx.connection).end(AgentName("a"), InstanceId("i"), now=Instant(now))
            )
        )

    assert end(NOON + MINUTE) == ["run_1", "run_3"]
    assert end(NOON + MINUTE) == []
    for agent, left in (("a", ["run_2"]), ("b", ["run_4"])):
        found = any_database.reader.read(
            lambda connection, agent=agent: SqlRuns(connection).open_runs(AgentName(agent), Instant(NOON + MINUTE))  # type: ignore[misc] # bound now
        )
        assert [each.run for each in found] == left
