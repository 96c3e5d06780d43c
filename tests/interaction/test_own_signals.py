"""What Remit notices by itself: raised and ended by what agents call, beside what others say and never over it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.interaction.apply_world import DANA, Tree
from tests.interaction.calling_world import BOT, TOO_MUCH, CallingWorld

from remit.agents.signals import RISKS, Signal, own
from remit.audit.states import rows_of
from remit.certification.noticing import own_signals
from remit.certification.noticing.refusals import LEAST_DENIED, QUIET_DAYS
from remit.certification.replaying.kept import Kept
from remit.certification.replaying.rederive import rederive
from remit.certification.usage.days import DayKey, UseDay
from remit.certification.usage.sql import SqlUseDays
from remit.enforcement.model import Outcome
from remit.kernel.canonical import parse
from remit.kernel.clock import DAY, HOUR, MINUTE, Instant, rfc3339
from remit.kernel.errors import Malformed
from remit.people.change import Actor
from remit.server import compose, compose_governance
from remit.server.settings import Settings
from remit.storage.governance_schema import use_days

OFTEN = (Signal.DENIED_OFTEN, "remit")
LISTS = (Signal.KEEP_ALIVE, "remit: pay-invoices payments/list_payees")
FEED = Actor(by="source:siem")


@pytest.fixture
def world() -> CallingWorld:
    return CallingWorld()


def test_refusals_and_failures_are_written_down_beside_the_use(world: CallingWorld) -> None:
    assert world.call("list_payees") == {"allow"}
    assert world.call("list_payees", outcome=Outcome.ERROR, times=3) == {"allow"}
    assert world.call("transfer", TOO_MUCH, times=2) == {"constraint_violated"}
    world.flush()
    used_at, day = world.rig.clock.at, world.rig.clock.at // DAY
    world.later(HOUR)
    world.call("list_payees", outcome=Outcome.ERROR)
    world.flush()
    key = DayKey(BOT, "pay-invoices", "payments/list_payees", "payments", day, "remit")
    lists, transfer = world.rows()
    assert lists == (key, 1, 0, 4, used_at, used_at), "first and last are of the use"
    assert transfer[1:] == (0, 2, 0, used_at, used_at)


@pytest.mark.parametrize("outcome", [each for each in Outcome if each not in {Outcome.OK, Outcome.ERROR}])
def test_what_nobody_saw_the_end_of_is_neither(world: CallingWorld, outcome: Outcome) -> None:
    world.call("list_payees", outcome=outcome)
    world.flush()
    assert world.rows() == []


def test_verdicts_and_counts_come_out_the_same_with_refusals_beside_the_use(world: CallingWorld) -> None:
    """On days before, of, between and after the use; and a refusal that was written down is not altered unseen."""
    key = world.begun_with("list_payees")
    for day in range(9):
        world.later(DAY)
        for outcome in {3: [Outcome.ERROR, Outcome.OK], 5: [Outcome.OK], 7: [Outcome.OK]}.get(day, [Outcome.ERROR]):
            world.later(MINUTE)
            assert world.call("list_payees", outcome=outcome) == {"allow"}
            world.flush()
    world.later(20 * DAY)
    world.service.sweep()
    (swept,) = world.entries("sweep")
    assert (swept["compared"], swept["differences"], world.entries("incident")) == (1, 0, [])
    (verdict,) = world.entries("verdict")
    assert (verdict["to"], verdict["read"]["usage"]["days"]) == ("lapsed", 3)

    def again() -> tuple[str, str]:
        found = world.rig.writer.read(lambda connection: rederive(timed, Kept(rows_of(connection))))
        return found.outcome, found.cause

    timed = {**verdict, "time": rfc3339(verdict["read"]["at"])}
    assert again() == ("same", "")
    more = update(use_days).where(use_days.c.action == key.action, use_days.c.uses == 0).values(denied=1)
    world.rig.writer.change(lambda tx: tx.connection.execute(more) and None)
    assert again() == ("differs", "usage")


def test_who_is_refused_all_day_is_noticed_and_after_a_quiet_week_no_more(world: CallingWorld) -> None:
    world.call("list_payees", times=LEAST_DENIED)
    world.call("transfer", TOO_MUCH, times=LEAST_DENIED)
    assert world.daily() == 0, "half of its calls is not more than half"
    world.call("transfer", TOO_MUCH)
    assert world.daily() == 1
    assert world.noticed() == {OFTEN}
    assert world.rig.agents.risk(BOT).value == RISKS[Signal.DENIED_OFTEN]
    for _ in range(QUIET_DAYS):
        world.later(DAY)
        world.call("list_payees")
        assert world.daily() == 0
    world.later(DAY)
    assert world.daily() == 1
    assert world.noticed() == set()
    assert world.recorded() == [("denied_often", "remit", on, "remit") for on in (True, False)]
    assert world.told() == [("noticed", "denied_often", None), ("noticed_over", "denied_often", None)]


def test_a_person_who_says_that_it_is_over_is_not_contradicted_by_an_old_day(world: CallingWorld) -> None:
    world.call("transfer", TOO_MUCH, times=LEAST_DENIED)
    assert world.daily() == 1
    world.later(3 * DAY)
    world.rig.agents.signal(BOT, "denied_often", about="remit", on=False, by=DANA)
    assert world.daily() == 0
    world.call("transfer", TOO_MUCH, times=LEAST_DENIED)
    assert world.daily() == 1
    assert world.noticed() == {OFTEN}


def test_a_stop_by_people_speaks_against_no_agent(world: CallingWorld) -> None:
    world.rig.agents.suspend(BOT, by=DANA)
    assert world.call("list_payees", times=3 * LEAST_DENIED) == {"agent_suspended"}
    assert world.daily() == 0
    assert world.rows() == []


def test_failing_like_a_clock_is_noticed_and_over_when_it_stops(world: CallingWorld) -> None:
    for _ in range(8):
        assert world.noticed() == set()
        world.later(DAY)
        assert world.call("list_payees", outcome=Outcome.ERROR) == {"allow"}
        world.later(MINUTE)
        world.call("list_invoices")
        world.daily()
    assert world.noticed() == {LISTS}, "and what succeeds as evenly is none"
    world.later(2 * DAY)
    assert world.daily() == 0, "one that is late is not over"
    world.later(2 * MINUTE)
    assert world.daily() == 1
    assert world.noticed() == set()
    about, action = "remit: pay-invoices payments/list_payees", "payments/list_payees"
    assert world.recorded() == [("keep_alive", about, on, "remit") for on in (True, False)]
    assert world.told() == [("noticed", "keep_alive", action), ("noticed_over", "keep_alive", action)]


def test_when_it_comes_to_something_again_it_is_over(world: CallingWorld) -> None:
    for at in range(11):
        world.later(DAY)
        world.call("list_payees", outcome=Outcome.OK if at == 10 else Outcome.ERROR)
        world.daily()
        assert (LISTS in world.noticed()) is (at >= 7)
    world.later(DAY)
    world.call("list_payees")
    assert world.daily() == 1, "two uses of twelve calls"
    assert world.noticed() == set()


@pytest.mark.parametrize("by", [DANA, FEED])
@pytest.mark.parametrize("about", ["", "payments/list_payees", "pay-invoices payments/list_payees"])
def test_what_others_noticed_is_theirs_to_end(world: CallingWorld, by: Actor, about: str) -> None:
    theirs = {(Signal.DENIED_OFTEN, about), (Signal.KEEP_ALIVE, about)}
    for kind, _ in theirs:
        world.rig.agents.signal(BOT, kind, about=about, by=by)
    assert world.daily() == 0
    world.call("transfer", TOO_MUCH, times=LEAST_DENIED)
    assert world.daily() == 1
    assert world.noticed() == {*theirs, OFTEN}
    world.later(30 * DAY)
    assert world.daily() == 1
    assert world.noticed() == theirs


_unasked: Any = None  # no credential_exposed, so nothing is asked of what marks secrets


@pytest.mark.parametrize("about", ["remit", "remit: payments/list_payees"])
def test_nobody_says_it_as_remit_says_it(world: CallingWorld, about: str) -> None:
    with pytest.raises(Malformed, match="Remit itself noticed"):
        world.rig.agents.signal(BOT, "keep_alive", about=about, by=DANA)
    body = f'{{"signal": "keep_alive", "about": "{about}"}}'
    event: Any = dataclasses.make_dataclass("Event", ["agent", "source", "body"])(BOT, "siem", body)
    world.rig.writer.change(lambda tx: compose_governance._noticed(world.rig.agents, _unasked, tx, event))
    assert world.noticed() == {(Signal.KEEP_ALIVE, f"siem: {about}")}
    assert world.daily() == 0, "a source's word stays a source's"


def test_it_stops_between_agents_when_the_server_ends(world: CallingWorld) -> None:
    world.call("transfer", TOO_MUCH, times=LEAST_DENIED)
    world.flush()
    assert world.own.check(lambda: True) == 0
    assert world.noticed() == set()
    assert world.own.check() == 1


def daily_use(world: CallingWorld, *tools: str, days: int = 8) -> None:
    for _ in range(days):
        world.later(DAY)
        for tool in tools:
            assert world.call(tool) == {"allow"}
    world.flush()


def test_use_like_a_clock_is_shown_to_people_and_speaks_against_nobody(world: CallingWorld) -> None:
    daily_use(world, "list_payees")
    assert world.daily() == 0
    assert world.noticed() == set()
    (agent,) = world.clockwork()["agents"]
    assert (agent["agent"], world.clockwork()["more"]) == (BOT, None)
    (found,) = agent["activations"]
    assert found == {
        "purpose": "pay-invoices", "action": "payments/list_payees", "boundaries": ["pay"], "days": 8,
        "every_seconds": 86_400, "first": "2026-11-26T00:00:00.000000Z", "last": "2026-12-03T00:00:00.000000Z",
    }  # fmt: skip
    assert world.clockwork(agent=BOT)["agents"] == [agent]
    assert world.clockwork(agent="ghost") == world.clockwork(after=BOT) == {"agents": [], "more": None}
    assert world.clockwork(limit="1") == {"agents": [agent], "more": BOT}


def test_what_is_declared_or_fails_or_is_not_granted_any_more_is_not_shown() -> None:
    tree = Tree()
    tree.boundary["allow"] = [{"action": "payments/list_payees", "cadence": "1d"}, {"action": "payments/list_invoices"}]
    world = CallingWorld(tree)
    daily_use(world, "list_payees", "list_invoices")
    (agent,) = world.clockwork()["agents"]
    assert [each["action"] for each in agent["activations"]] == ["payments/list_invoices"]
    world.later(2 * DAY + 1)
    assert world.clockwork()["agents"] == []
    world.rig.clock.at -= 2 * DAY
    assert world.clockwork()["agents"] != []
    world.rig.access.revoke("pay", by=DANA)
    assert world.clockwork()["agents"] == []


@pytest.mark.parametrize(("purpose", "action"), [("work", "s/t"), ("", "s/t"), ("work", "billing:GET /invoices/{id}")])
def test_an_owner_is_told_which_action_whatever_its_name(purpose: str, action: str) -> None:
    found = (Signal.KEEP_ALIVE, own(purpose or "-", action))
    said = parse(own_signals._notice(*found, on=True, now=Instant(0)))
    assert said == {
        "what": "noticed", "reason": "keep_alive", "purpose": purpose or "-", "action": action,
        "at": "1970-01-01T00:00:00.000000Z",
    }  # fmt: skip


def test_a_server_looks_once_a_day(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, keyfile=tmp_path / "keyfile")
    remit = compose.build(settings, base="http://127.0.0.1:8470", listener=("127.0.0.1", 8470))
    try:
        assert remit.life.governance.load().certifying.daily["signals"](lambda: False) == 0
    finally:
        remit.life.database.close()


def test_what_another_source_tells_of_refusals_raises_nothing_in_remits_name(world: CallingWorld) -> None:
    """Else whoever may write a source's lines speaks against an agent as Remit itself."""
    today = world.rig.clock.at // DAY
    rows = []
    for day in range(today - 9, today + 1):
        key = DayKey(BOT, "pay-invoices", "payments/list_payees", "payments", day, "siem")
        rows.append(UseDay(key, 0, 5 * LEAST_DENIED, 0, day * DAY, day * DAY))
    world.rig.writer.change(lambda tx: SqlUseDays(tx.connection).add(rows))
    assert world.daily() == 0
    assert world.noticed() == set()
    # Beside it Remit's own record counts as if the other were not there.
    world.call("list_payees", times=LEAST_DENIED)
    world.call("transfer", TOO_MUCH, times=LEAST_DENIED + 1)
    assert world.daily() == 1
    assert world.noticed() == {OFTEN}
