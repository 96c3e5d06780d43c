"""Policy sets, and what was counted of one that is observed: memory, SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from tests.contract.stores import Store
from tests.interaction.apply_world import Records

from remit.kernel.clock import Instant
from remit.people.change import Actor
from remit.policy import policy_sets
from remit.policy.files import PolicyFiles
from remit.policy.flips import Count, Kind, Tally
from remit.policy.policy_set import SetState
from remit.policy.policy_set_sql import SqlFlips, SqlPolicySets
from remit.policy.policy_sets import PolicySets
from remit.policy.sql import load_all
from remit.storage.policy_schema import policy_flips

NOON = Instant(1_795_521_600_000_000)
ANN = Actor(by="ann")


RECORDS = Records()  # one for all: no two entries have the same id


def in_force(store: Store, at: int = 0, **files: str) -> str | None:
    def apply(tx: Any) -> str | None:
        reader: Any = store
        kept, before = PolicyFiles(reader=reader, records=RECORDS), load_all(tx.connection)
        kept.become(tx, files, by=ANN)
        return kept.settled(tx, before, by=ANN, now=Instant(NOON + at))

    return store.change(apply)


def states(store: Store) -> list[tuple[str, str, int]]:
    return store.read(lambda c: [(each.version, each.state.value, each.files) for each in SqlPolicySets(c).all()])


def test_what_comes_into_force_is_a_version_and_what_went_stays(store: Store) -> None:
    assert in_force(store, a="one") == "1"
    assert in_force(store, 1, a="one") is None
    assert in_force(store, 2, a="two", b="more") == "2"
    assert in_force(store, 3, a="one") == "1"
    assert states(store) == [("2", "retired", 2), ("1", "enforced", 1)]
    assert store.read(lambda c: SqlPolicySets(c).files("2")) == {"a": "two", "b": "more"}
    assert store.read(lambda c: SqlPolicySets(c).files("9")) == {}
    assert store.read(lambda c: SqlPolicySets(c).find("9")) is None


def test_one_set_is_observed(store: Store) -> None:
    sets = PolicySets(records=RECORDS)
    in_force(store, a="one")
    store.change(lambda tx: sets.observe(tx, {"a": "two"}, by=ANN, now=NOON))
    store.change(lambda tx: sets.observe(tx, {"a": "three"}, by=ANN, now=NOON))
    observed = store.read(lambda c: SqlPolicySets(c).in_state(SetState.OBSERVE))
    assert observed is not None
    assert (observed.version, observed.by, observed.since) == ("3", "ann", NOON)
    assert in_force(store, a="three") == "3"
    assert states(store) == [("3", "enforced", 1), ("2", "draft", 1), ("1", "retired", 1)]


def test_the_oldest_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_sets, "KEPT", 3)
    for number in range(8):
        in_force(store, number, a=str(number))
    assert [version for version, *_ in states(store)] == ["8", "7", "6", "5"]


def test_each_node_adds_to_its_own_and_the_sum_is_read(store: Store) -> None:
    def tally(count: int, at: str) -> Tally:
        return {(Kind.ALLOW_TO_DENY, "p"): Count(count, [{"decision": at, "at": at}]), (Kind.COMPARED, ""): Count(9)}

    for node, count in (("a", 2), ("b", 3), ("a", 4)):
        store.change(lambda tx, n=node, c=count: SqlFlips(tx.connection).add("1", "base", n, tally(c, f"{c}")))  # type: ignore[misc]
    store.change(lambda tx: SqlFlips(tx.connection).add("1", "other", "a", tally(50, "5")))
    found = store.read(lambda c: SqlFlips(c).of("1", "base"))
    assert found[Kind.COMPARED, ""].count == 27
    assert found[Kind.ALLOW_TO_DENY, "p"].count == 9
    assert [each["decision"] for each in found[Kind.ALLOW_TO_DENY, "p"].examples] == ["4", "3", "2"]
    rows = store.read(lambda c: list(c.execute(select(policy_flips.c.node).where(policy_flips.c.base == "base"))))
    assert len(rows) == 4
    store.change(lambda tx: SqlPolicySets(tx.connection).remove("1"))
    assert store.read(lambda c: SqlFlips(c).of("1", "base")) == {}
