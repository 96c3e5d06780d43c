"""Deriving verdicts again, on both databases, that were made with others: used together, needing each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update
from tests.contract.test_rederive import BOUNDARY, FIRST, HOLDER, NOW, RULES, TIERS, World, key, row

from remit.access.activation import Activation, ActivationState, Usage
from remit.access.codec import rules_text
from remit.access.model import Rule
from remit.certification.replaying.marks_sql import marks
from remit.certification.transition import Transition, transition
from remit.certification.usage.days import DayKey, UseDay, usage_of
from remit.certification.usage.sql import Source, SqlUsage, SqlUseDays
from remit.certification.usage.windows import windows
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, HOUR, Micros, rfc3339
from remit.kernel.names import ActionName
from remit.policy.entitlement import Beside, Setting
from remit.storage.database import Database
from remit.storage.governance_schema import coverage_windows, together, use_days
from remit.storage.schema import boundaries

FAR = key("far/read")
SEEN = windows([(0, (FIRST + 200) * DAY), ((FIRST + 310) * DAY, NOW)])
NEEDING: dict[ActionName, Rule] = RULES | {
    ActionName("s/change"): Rule(
        action=ActionName("s/change"), ttl=Micros(20 * DAY), needs=(ActionName("s/write"),)
    ),
    ActionName("s/write"): Rule(action=ActionName("s/write"), needs=(ActionName("s/read"),)),
}  # fmt: skip


def usage_in(connection: Connection, action: str) -> Usage:
    mine = SqlUseDays(connection).days_of([key(action)])[key(action)]
    return usage_of(Usage(FIRST * DAY, Micros(0)), mine, lambda at: Micros(at - FIRST * DAY))  # type: ignore[arg-type]


def verdict_on(connection: Connection, action: str, **changes: Any) -> dict[str, Any]:
    """As the sweep records it."""
    activation = Activation(
        key=key(action), boundary=BOUNDARY.boundary, boundary_version=3, agent_version="1",
        state=changes.pop("state", ActivationState.ACTIVE), since=FIRST * DAY, started=FIRST * DAY, by="",  # type: ignore[arg-type]
        serial=1, usage=usage_in(connection, action),
    )  # fmt: skip
    facts: dict[str, Any] = {
        "tier": TIERS[action], "boundary": BOUNDARY, "rule": RULES[ActionName(action)], "holder": HOLDER,
        "covered": NOW - FIRST * DAY, "now": NOW,
    }  # fmt: skip
    taken = transition(activation, Setting(**(facts | changes)))
    assert isinstance(taken, Transition)
    read = {**taken.verdict["read"], **marks(connection, [key(action)], NOW)[key(action)]}
    head = {"v": 1, "kind": "verdict", "id": f"ver_{action}", "time": rfc3339(NOW), "epoch": 1}
    return {**head, **taken.verdict, "read": read}


@pytest.fixture
def world(where: Path | str, opened: Callable[[Path | str], Database]) -> World:
    """`s/write` is used together with `far/read`, whose use another source tells of."""
    made = World(where, opened(where))
    rows = [{"agent": "bot", "purpose": "work", "action": each, "group": "g"} for each in ("s/write", "far/read")]
    made.change(lambda connection: connection.execute(insert(together), rows))
    made.change(lambda connection: connection.execute(told_until(200)))
    return made


def told_until(day: int) -> Any:
    """The source told everything up to a day, and again from day 310 on."""
    return update(coverage_windows).where(coverage_windows.c.start == 0).values(until=(FIRST + day) * DAY)


def made(world: World, action: str, **changes: Any) -> dict[str, Any]:
    """One verdict, and it alone."""
    found: list[dict[str, Any]] = []
    world.change(lambda connection: found.append(verdict_on(connection, action, **changes)))
    world.verdicts = found
    return found[0]


def company(world: World, *, told: bool) -> dict[str, Any]:
    used: list[Usage] = []
    world.change(lambda connection: used.append(usage_in(connection, "far/read")))
    # Its use was imported: it is old, and new on the coverage clock.
    usage = Usage(used[0].last, Micros(NOW - FIRST * DAY - 100 * DAY), used[0].days, used[0].gaps)
    far = Beside(FAR.action, usage, NOW - FIRST * DAY, SEEN if told else None)
    return made(world, "s/write", together=(far,))


@pytest.mark.parametrize("told", [True, False])
def test_whose_use_counted_is_derived_again(world: World, *, told: bool) -> None:
    verdict = company(world, told=told)
    (said,) = verdict["read"]["together"]
    assert (said["action"], said.get("windows", False)) == ("far/read", told)
    assert verdict["read"]["upto"] == {"far-log": 4}
    assert world.odd() == {}
    assert len(canonical(verdict)) < 1536


def test_other_windows_of_its_server_are_coverage_until_more_was_told(world: World) -> None:
    idle = company(world, told=True)["statement"]["facts"]["idle_covered"]
    world.change(lambda connection: connection.execute(told_until(199)))
    assert idle > 0
    assert world.odd() == {"s/write": "coverage"}
    world.change(lambda connection: SqlUsage(connection).put(Source("far-log", ("far",), 5, 0)))  # type: ignore[arg-type]
    assert world.odd() == {}


def test_a_use_that_the_record_does_not_tell_of_is_usage(world: World) -> None:
    verdict = company(world, told=False)
    verdict["read"]["together"][0]["last"] += 1
    assert world.odd() == {"s/write": "usage"}
    company(world, told=False)
    change = update(use_days).where(row("far/read", -1)).values(first=use_days.c.first + 1, last=use_days.c.last + 1)
    world.change(lambda connection: connection.execute(change))
    assert world.odd() == {"s/write": "usage"}


def test_an_idle_time_that_is_not_the_least_is_coverage(world: World) -> None:
    verdict = company(world, told=False)
    verdict["read"]["together"][0]["used"] += 1
    assert world.odd() == {"s/write": "coverage"}


def test_what_was_told_of_it_later_changes_nothing(world: World) -> None:
    company(world, told=False)
    late = (FIRST + 60) * DAY + HOUR
    more = UseDay(DayKey(*FAR, FIRST + 60, "remit"), 1, 0, 0, late, late)
    world.change(lambda connection: SqlUseDays(connection).add([more]))
    assert world.odd() == {}


def test_a_verdict_from_before_each_had_its_own_record_is_derived_as_it_was(world: World) -> None:
    """Then the newest use counted, by the record of what was judged."""
    verdict = made(world, "s/write")
    assert "together" not in verdict["read"]
    usage = verdict["read"]["usage"]
    verdict["read"]["together"] = {"last": usage["last"] - 1, "covered": 0}
    assert world.odd() == {}
    verdict["read"]["together"] = {"last": usage["last"] + 1, "covered": usage["covered"]}
    assert world.odd() == {"s/write": "usage"}, "its idle time is that of the newest"


# what hangs on what --------------------------------------------------------------------------------


def rules(world: World, said: Mapping[ActionName, Rule], **which: Any) -> None:
    change = update(boundaries).where(boundaries.c.version == which.get("version", 3)).values(rules=rules_text(said))
    world.change(lambda connection: connection.execute(change))


def test_what_something_needs_is_read_from_the_boundary(world: World) -> None:
    rules(world, NEEDING)
    verdict = made(world, "s/read", needed_by="s/change")
    assert verdict["statement"]["facts"]["needed"] is True
    assert world.odd() == {}, "it reaches through"
    rules(world, NEEDING | {ActionName("s/write"): RULES[ActionName("s/write")]})
    assert world.odd() == {"s/read": "policy"}
    rules(world, RULES)
    assert world.odd() == {"s/read": "policy"}


def test_so_is_what_it_needs_itself(world: World) -> None:
    rules(world, NEEDING)
    verdict = made(world, "s/write", rule=NEEDING[ActionName("s/write")], severed_by="s/read")
    assert verdict["reason"] == "what_it_needs_is_suspended"
    assert world.odd() == {}
    verdict["read"]["severed_by"] = "s/change"
    assert world.odd() == {"s/write": "policy"}, "that needs it, and not the other way round"
    verdict["read"]["severed_by"] = "s/read"
    rules(world, RULES)
    assert world.odd() == {"s/write": "policy"}


def test_another_boundary_may_have_said_it(world: World) -> None:
    other = {
        "boundary": "other", "version": 1, "agent": "bot", "purpose": "work", "state": "active", "source": "{}",
        "rules": rules_text(NEEDING), "not_after": BOUNDARY.not_after, "approved_by": "dana",
        "approved_at": BOUNDARY.approved_at,
    }  # fmt: skip
    made(world, "s/read", needed_by="s/write")
    assert world.odd() == {"s/read": "policy"}
    world.change(lambda connection: connection.execute(insert(boundaries).values(other)))
    assert world.odd() == {}
    alone = boundaries.c.boundary == "other"
    for changed in ({"approved_at": NOW + DAY}, {"not_after": NOW - DAY}, {"purpose": "play"}, {"agent": "b"}):
        change = update(boundaries).where(alone).values(changed)
        world.database.writer.change(lambda tx, change=change: tx.connection.execute(change) and None)  # type: ignore[misc]
        assert world.odd() == {"s/read": "policy"}
        world.change(lambda connection: connection.execute(delete(boundaries).where(alone)))
        world.change(lambda connection: connection.execute(insert(boundaries).values(other)))


@pytest.mark.parametrize("fact", ["needed", "severed"])
def test_a_fact_that_nothing_was_read_for_is_policy(world: World, fact: str) -> None:
    reader = {"needed": "needed_by", "severed": "severed_by"}[fact]
    rules(world, NEEDING)
    verdict = made(world, "s/write", rule=NEEDING[ActionName("s/write")], **{
        reader: {"needed": "s/change", "severed": "s/read"}[fact]
    })  # fmt: skip
    assert world.odd() == {}
    del verdict["read"][reader]
    assert world.odd() == {"s/write": "policy"}
    verdict = made(world, "s/write")
    verdict["read"][reader] = "s/change" if fact == "needed" else "s/read"
    assert world.odd() == {"s/write": "policy"}
