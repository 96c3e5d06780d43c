"""Withdrawals and the end of runs in the database: memory, SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select
from tests.contract.stores import Store

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_sql import SqlActivations
from remit.access.codec import rules_text
from remit.access.model import BoundaryState, Rule
from remit.certification.withdrawal.sql import SqlWithdrawals, Stored, known
from remit.certification.withdrawal.withdraw import (
    KEPT,
    Asked,
    Entitlement,
    Outcome,
    Present,
    Result,
    Target,
    Withdrawal,
    advanced,
)
from remit.kernel.clock import HOUR, MINUTE, SECOND, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.storage.schema import boundaries, revoked_tokens, runs
from remit.tokens.ending import end_runs, open_purposes

NOON = Instant(1_795_521_600_000_000)


def withdrawal(name: str = "1", *, agent: str = "bot", cause: str = "idle", due: int = NOON) -> Withdrawal:
    what = (Entitlement("work", "s/t", "s"),)
    return Withdrawal(id=f"wdr_{name}", agent=agent, cause=cause, what=what, begun=NOON, due=Instant(due))


def add(store: Store, *each: Withdrawal) -> None:
    for one in each:
        store.change(lambda tx, one=one: SqlWithdrawals(tx.connection).add(one))  # type: ignore[misc] # the default


def find(store: Store, name: str = "wdr_1") -> Stored:
    found = store.read(lambda c: SqlWithdrawals(c).find(name))
    assert found is not None
    return found


def test_it_comes_back_as_it_was(store: Store) -> None:
    asked = (Asked(target=Target("crm", "work", "s/t"), token="t-1", present=Present.PRESENT),)
    full = advanced(withdrawal(), Result(Outcome.AGAIN, "é", asked=asked, ended=("work",)), now=NOON).after
    add(store, withdrawal(), withdrawal("2"))
    assert find(store).withdrawal == withdrawal()
    store.change(lambda tx: SqlWithdrawals(tx.connection).write(full))
    assert find(store).withdrawal == full
    assert store.read(lambda c: SqlWithdrawals(c).find("wdr_3")) is None


def test_due_in_order_and_not_while_leased(store: Store) -> None:
    add(store, withdrawal("1", due=NOON + 2), withdrawal("2", due=NOON + 1), withdrawal("3", due=NOON + 9))

    def names(now: int) -> list[str]:
        return [e.withdrawal.id for e in store.read(lambda c: SqlWithdrawals(c).due(Instant(now), 9))]

    assert names(NOON) == []
    assert names(NOON + 5) == ["wdr_2", "wdr_1"]
    assert len(store.read(lambda c: SqlWithdrawals(c).due(Instant(NOON + 9), 2))) == 2
    held = find(store, "wdr_2")
    store.change(lambda tx: SqlWithdrawals(tx.connection).lease(held, Instant(NOON + 7)))
    assert names(NOON + 5) == ["wdr_1"]
    assert names(NOON + 7) == ["wdr_1", "wdr_2"]
    assert find(store, "wdr_2") == held


def test_what_only_lapsed_waits_for_what_ended_for_a_better_reason(store: Store) -> None:
    add(
        store,
        withdrawal("1", due=NOON),
        withdrawal("2", cause="agent_retired", due=NOON + 5),
        withdrawal("3", due=NOON),
    )
    names = [e.withdrawal.id for e in store.read(lambda c: SqlWithdrawals(c).due(Instant(NOON + 9), 2))]
    assert names == ["wdr_2", "wdr_1"]


def test_who_read_an_older_one_does_not_write(store: Store) -> None:
    add(store, withdrawal())
    mine = find(store)
    moved = advanced(mine.withdrawal, Result(Outcome.DONE, "looked"), now=NOON).after

    def take(tx: Any, stored: Stored) -> bool:
        rows = SqlWithdrawals(tx.connection)
        if not rows.hold(stored):
            return False
        rows.write(moved)
        return True

    assert store.change(lambda tx: take(tx, mine))
    assert not store.change(lambda tx: take(tx, mine))
    assert store.change(lambda tx: take(tx, find(store)))


def test_what_can_be_joined_and_what_is_listed(store: Store) -> None:
    ended = replace(withdrawal("4"), step=advanced_to_the_end(withdrawal("4")).step, due=Instant(NOON + KEPT))
    add(store, withdrawal("1"), withdrawal("2", cause="agent_retired"), withdrawal("3", agent="other"), ended)
    find_ = store.change
    assert find_(lambda tx: SqlWithdrawals(tx.connection).begun("bot", "idle", now=NOON)) == withdrawal("1")
    assert find_(lambda tx: SqlWithdrawals(tx.connection).begun("bot", "owner_gone", now=NOON)) is None
    assert find_(lambda tx: SqlWithdrawals(tx.connection).begun("bot", "idle", now=Instant(NOON - 1))) is None

    def listed(agent: str | None, *, unfinished: bool, most: int = 9) -> list[str]:
        rows = store.read(lambda c: SqlWithdrawals(c).listing(agent=agent, unfinished=unfinished, most=most))
        return [each.id for each in rows]

    assert listed(None, unfinished=False) == ["wdr_4", "wdr_3", "wdr_2", "wdr_1"]
    assert listed("bot", unfinished=True) == ["wdr_2", "wdr_1"]
    assert listed("bot", unfinished=False, most=1) == ["wdr_4"]
    assert store.change(lambda tx: SqlWithdrawals(tx.connection).forget(Instant(NOON + KEPT - 1), 9)) == 0
    assert store.change(lambda tx: SqlWithdrawals(tx.connection).forget(Instant(NOON + KEPT), 9)) == 1
    assert listed(None, unfinished=False) == ["wdr_3", "wdr_2", "wdr_1"]


def advanced_to_the_end(state: Withdrawal) -> Withdrawal:
    while state.open:
        state = advanced(state, Result(Outcome.DONE), now=NOON).after
    return state


def run(name: str, **changes: Any) -> dict[str, Any]:
    times = {"opened": NOON - HOUR, "ends": NOON + HOUR, "token_expires": NOON + MINUTE}
    return {"run": f"run_{name}", "agent": "bot", "instance": "i", "purpose": "work", **times, **changes}


def test_open_runs_end_with_their_tokens_and_others_stay(store: Store) -> None:
    rows = [
        run("a"),
        run("b", purpose="other"),
        run("c", agent="else"),
        run("over", ends=NOON - 1),
        run("silent", token_expires=NOON - HOUR),
        run("later", opened=NOON + 1),
        run("waits", token_expires=NOON - MINUTE),
    ]
    store.change(lambda tx: tx.connection.execute(insert(runs), rows) and None)
    assert store.read(lambda c: open_purposes(c, "bot", opened=NOON, now=NOON)) == ["other", "work"]

    def end() -> list[tuple[str, str]]:
        return list(store.change(lambda tx: end_runs(tx.connection, "bot", ["work"], opened=NOON, now=NOON)))

    assert end() == [("run_a", "i"), ("run_waits", "i")]
    assert end() == []
    assert store.read(lambda c: open_purposes(c, "bot", opened=NOON, now=NOON)) == ["other"]
    kept = store.read(lambda c: {row.key: row.expires for row in c.execute(select(revoked_tokens))})
    # For as long as a token that was issued at this very moment could live, and a minute for other nodes' clocks.
    assert kept == {"run_a": NOON + 6 * MINUTE, "run_waits": NOON + 6 * MINUTE}
    assert kept["run_a"] > NOON + MINUTE + SECOND


def test_all_there_ever_was_to_withdraw(store: Store) -> None:
    row = {
        "boundary": "b", "agent": "bot", "purpose": "work", "source": "", "not_after": NOON,
        "approved_by": None, "approved_at": None,
    }  # fmt: skip
    rules = rules_text({ActionName("s/old"): Rule(action=ActionName("s/old"))})
    versions = [
        row | {"version": 1, "state": BoundaryState.REVOKED.value, "rules": rules},
        row | {"version": 2, "state": BoundaryState.PROPOSED.value, "rules": None},
    ]
    started = Activation(
        key=ActivationKey(AgentName("bot"), PurposeName("work"), ActionName("s/t"), "s"), boundary=BoundaryName("b"),
        boundary_version=1, agent_version="1", state=ActivationState.REVOKED, since=NOON, started=NOON, by="", serial=1,
        usage=Usage(NOON, Micros(0)),
    )  # fmt: skip

    def write(tx: Any) -> None:
        tx.connection.execute(insert(boundaries), versions)
        SqlActivations(tx.connection).put(started, expected=0, due=NOON)

    store.change(write)
    found = store.read(lambda c: known(c, "bot"))
    assert found == {Entitlement("work", "s/old", "s"), Entitlement("work", "s/t", "s")}
    assert store.read(lambda c: known(c, "else")) == set()
