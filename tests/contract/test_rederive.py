"""Deriving verdicts again from what is stored, on both databases: exactly what was touched differs, and says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, update
from typer.testing import CliRunner

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.codec import rules_text
from remit.access.model import Boundary, BoundaryState, Rule
from remit.access.parameters import Parameters
from remit.audit.source import Stretch
from remit.audit.source_offline import open_offline
from remit.audit.states import rows_of
from remit.catalog.model import Tier
from remit.certification.replaying.kept import Kept
from remit.certification.replaying.marks_sql import marks
from remit.certification.replaying.reading import rules_digest
from remit.certification.replaying.rederive import rederive
from remit.certification.replaying.replay import Replayed
from remit.certification.replaying.replays import Summary, lines
from remit.certification.transition import Transition, transition
from remit.certification.usage.days import DayKey, UseDay, added_up, day_of, usage_of
from remit.certification.usage.model import Kind, UsageEvent
from remit.certification.usage.sql import Source, SqlUsage, SqlUseDays
from remit.certification.usage.windows import Windows, windows
from remit.cli.activation import certify
from remit.cli.exits import Exit
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, HOUR, Instant, Micros, rfc3339
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.policy.entitlement import Holder, Setting
from remit.storage.database import Database
from remit.storage.governance_schema import coverage_windows, use_days
from remit.storage.model import Entry
from remit.storage.ports import Transaction
from remit.storage.schema import boundaries, bundles, data_keys, servers, tools

FIRST = 20_500
NOW = Instant((FIRST + 400) * DAY + 10 * HOUR)
TIERS = {"s/read": Tier.LOW, "s/write": Tier.MEDIUM, "s/change": Tier.HIGH, "far/read": Tier.LOW}
USED = {"s/read": (0, 9, 30, 90), "s/write": (1, 8, 40), "s/change": (388,), "far/read": (2, 5, 30)}
RULES = {
    ActionName(action): Rule(action=ActionName(action), ttl=Micros(20 * DAY) if action == "s/change" else None)
    for action in TIERS
}
BOUNDARY = Boundary(
    boundary=BoundaryName("b"), version=3, agent=AgentName("bot"), purpose=PurposeName("work"), rules=RULES,
    not_after=Instant(NOW + 900 * DAY), state=BoundaryState.ACTIVE, approved_by=OwnerName("dana"),
    approved_at=Instant(FIRST * DAY - DAY),
)  # fmt: skip
HOLDER = Holder(version="1", state="active", owner_active=True, risk=0)
WINDOWS = windows([(0, (FIRST + 300) * DAY), ((FIRST + 310) * DAY, NOW)])
Verdict = dict[str, Any]


def key(action: str) -> ActivationKey:
    return ActivationKey(AgentName("bot"), PurposeName("work"), ActionName(action), action.split("/", maxsplit=1)[0])


def uses(action: str) -> list[UseDay]:
    source = "far-log" if action.startswith("far") else "remit"
    return [
        UseDay(
            DayKey(*key(action), FIRST + day, source),
            2,
            1,
            0,
            (FIRST + day) * DAY + HOUR,
            (FIRST + day) * DAY + HOUR + 5,
        )
        for day in USED[action]
    ]


def event(day: int) -> UsageEvent:
    return UsageEvent("far-log", f"e{day}", Instant((FIRST + day) * DAY + HOUR), Kind.USE, "bot", "work", "far/read")


def stored(connection: Connection) -> None:
    """What a server would have stored by now."""
    connection.execute(insert(boundaries).values(
        boundary="b", version=3, agent="bot", purpose="work", state="active", source="{}", rules=rules_text(RULES),
        not_after=BOUNDARY.not_after, approved_by="dana", approved_at=BOUNDARY.approved_at,
    ))  # fmt: skip
    for server in ("s", "far"):
        connection.execute(insert(servers).values(server=server, body="{}", set_pin=""))
    for action, tier in TIERS.items():
        server, tool = action.split("/")
        connection.execute(insert(tools).values(
            server=server, tool=tool, tier=tier.value, pin="", definition="{}", state="approved"
        ))  # fmt: skip
    SqlUsage(connection).put(Source("far-log", ("far",), 4, Instant(0)))
    SqlUsage(connection).append(4, [event(day) for day in USED["far/read"]])
    rows = [row for action in TIERS if action != "far/read" for row in uses(action)]
    SqlUseDays(connection).add([*rows, *(day_of(event(day), "work") for day in USED["far/read"])])
    for start, until in WINDOWS.spans:
        connection.execute(insert(coverage_windows).values(source="far-log", start=start, until=until))


def verdict_on(
    connection: Connection, action: str, *, granted: bool = True, told: bool = True, lowered: int = 0
) -> Verdict:
    """As the sweep records it."""
    start = Usage(Instant(FIRST * DAY), Micros(0))
    mine = SqlUseDays(connection).days_of([key(action)])[key(action)]
    usage = usage_of(start, mine, lambda at: Micros(at - FIRST * DAY - lowered))
    activation = Activation(
        key=key(action), boundary=BOUNDARY.boundary, boundary_version=3, agent_version="1",
        state=ActivationState.ACTIVE, since=start.last, started=start.last, by="", serial=1, usage=usage,
    )  # fmt: skip
    seen: Windows | None = WINDOWS if action == "far/read" and told else None
    setting = Setting(
        tier=TIERS[action], boundary=BOUNDARY if granted else None,
        rule=RULES[ActionName(action)] if granted else None, holder=HOLDER,
        covered=NOW - FIRST * DAY, now=NOW, windows=seen,
    )  # fmt: skip
    taken = transition(activation, setting)
    assert isinstance(taken, Transition)
    read = {**taken.verdict["read"], **marks(connection, [key(action)], NOW)[key(action)]}
    head = {"v": 1, "kind": "verdict", "id": f"ver_{action}", "time": rfc3339(NOW), "epoch": 1}
    return {**head, **taken.verdict, "read": read}


class World:
    def __init__(self, where: Path | str, database: Database) -> None:
        self.where, self.database = where, database
        self.change(stored)
        found: list[Verdict] = []
        self.change(lambda connection: found.extend(verdict_on(connection, action) for action in TIERS))
        self.verdicts = found

    def change(self, apply: Callable[[Connection], object]) -> None:
        self.database.writer.change(lambda tx: apply(tx.connection) and None)

    def replay(self, parameters: Parameters | None = None) -> dict[str, Replayed]:
        """In the server, and from another process's connection: the same."""
        numbers = parameters or Parameters()

        def all_of(kept: Kept) -> dict[str, Replayed]:
            return {each["action"]: rederive(each, kept, numbers) for each in self.verdicts}

        inside = self.database.reader.read(lambda connection: all_of(Kept(rows_of(connection))))
        source = open_offline(self.where)
        try:
            assert all_of(Kept(source.rows)) == inside
        finally:
            source.close()
        return inside

    def odd(self) -> dict[str, str]:
        return {action: found.cause for action, found in self.replay().items() if found.outcome != "same"}


@pytest.fixture
def world(where: Path | str, opened: Callable[[Path | str], Database]) -> World:
    return World(where, opened(where))


def test_what_is_stored_comes_to_the_same_bytes(world: World) -> None:
    for action, found in world.replay().items():
        assert (found.outcome, found.detail) == ("same", ""), action
        assert found.recorded == found.derived
    assert max(len(canonical(each)) for each in world.verdicts) < 1536
    assert {each["to"] for each in world.verdicts} == {"lapsed", "expiring"}


def row(action: str, day: int) -> Any:
    return (use_days.c.action == action) & (use_days.c.day == FIRST + USED[action][day])


@pytest.mark.parametrize(
    "change",
    [
        update(use_days).where(row("s/write", 1)).values(uses=3),
        update(use_days).where(row("s/write", 1)).values(first=use_days.c.first + 1),
        update(use_days).where(row("s/write", -1)).values(last=use_days.c.last + 1),
        update(use_days).where(row("s/write", -1)).values(day=FIRST + 41),
        delete(use_days).where(row("s/write", 1)),
        delete(use_days).where(use_days.c.action == "s/write"),
    ],
)
def test_one_byte_of_use_is_missed_by_nobody_else(world: World, change: Any) -> None:
    world.change(lambda connection: connection.execute(change))
    assert world.odd() == {"s/write": "usage"}


def test_use_from_after_the_verdict_changes_nothing(world: World) -> None:
    later = UseDay(DayKey(*key("s/write"), NOW // DAY, "remit"), 1, 0, 0, NOW + HOUR, NOW + HOUR)
    tomorrow = UseDay(DayKey(*key("s/write"), NOW // DAY + 1, "remit"), 1, 0, 0, NOW + DAY, NOW + DAY)
    world.change(lambda connection: SqlUseDays(connection).add([later, tomorrow]))
    assert world.odd() == {}


def test_another_rule_or_tier_is_policy(world: World) -> None:
    other = {**RULES, ActionName("s/change"): Rule(action=ActionName("s/change"), ttl=Micros(21 * DAY))}
    world.change(lambda connection: connection.execute(update(boundaries).values(rules=rules_text(other))))
    assert world.odd() == {"s/change": "policy"}
    world.change(lambda connection: connection.execute(update(tools).where(tools.c.tool == "write").values(tier="low")))
    assert world.odd() == {"s/change": "policy", "s/write": "policy"}
    world.change(lambda connection: connection.execute(delete(boundaries)))
    assert world.odd() == dict.fromkeys(TIERS, "policy")


def test_a_boundary_that_was_another_for_a_while_is_policy(world: World) -> None:
    """It is as it was again; the verdict says by the digest of which rules it was made."""
    true = {"b@3": rules_digest(rules_text(RULES))}
    for verdict in world.verdicts:
        verdict["read"]["rules"] = true
    assert world.odd() == {}
    other = {**RULES, ActionName("s/read"): Rule(action=ActionName("s/read"), needs=(ActionName("s/write"),))}
    world.verdicts[0]["read"]["rules"] = {"b@3": rules_digest(rules_text(other))}
    world.verdicts[1]["read"]["rules"] = {**true, "gone@1": "0" * 64}
    world.verdicts[2]["read"]["rules"] = {}
    odd = dict.fromkeys((each["action"] for each in world.verdicts[:3]), "policy")
    assert world.odd() == odd
    assert world.replay()[world.verdicts[2]["action"]].detail == "b@3 stood, and was not read"
    world.change(lambda connection: connection.execute(update(boundaries).values(state="superseded")))
    assert world.verdicts[2]["action"] not in world.odd(), "nobody knows when it was followed by another"


@pytest.mark.parametrize(("by", "odd"), [(2 * HOUR, True), (-2 * HOUR, False), (HOUR // 2, False)])
def test_a_reading_of_the_clock_that_cannot_be_is_coverage(world: World, by: int, *, odd: bool) -> None:
    """Lowered in its row, more of the time without use is on record than there was."""
    found: list[Verdict] = []
    world.change(lambda connection: found.append(verdict_on(connection, "s/write", lowered=by)))
    world.verdicts = found
    assert world.odd() == ({"s/write": "coverage"} if odd else {})
    if odd:
        assert "its reading was changed, or the wall clock set back" in world.replay()["s/write"].detail


def test_other_numbers_are_parameters(world: World) -> None:
    found = world.replay(Parameters(high=15 * DAY))
    assert {each.cause for each in found.values()} == {"parameters"}
    assert all(each.recorded != each.derived for each in found.values())


def test_other_windows_are_coverage_until_more_was_told(world: World) -> None:
    change = update(coverage_windows).where(coverage_windows.c.start > 0).values(start=(FIRST + 311) * DAY)
    world.change(lambda connection: connection.execute(change))
    assert world.odd() == {"far/read": "coverage"}
    world.change(lambda connection: SqlUsage(connection).put(Source("far-log", ("far",), 5, Instant(0))))
    assert world.odd() == {}


def test_a_source_that_was_registered_since_makes_no_verdict_differ(world: World) -> None:
    """It has told nothing yet: the windows that all sources told are none now, and were not when it was judged."""
    world.change(lambda connection: SqlUsage(connection).put(Source("late-log", ("far",), 0, Instant(0))))
    assert world.odd() == {}


def test_a_source_that_was_taken_off_makes_no_verdict_differ(world: World) -> None:
    world.change(lambda connection: SqlUsage(connection).put(Source("far-log", (), 5, Instant(0))))
    assert world.odd() == {}
    # Nor one that was made since, from what it told and Remit's own record.
    found: list[Verdict] = []
    world.change(lambda connection: found.append(verdict_on(connection, "far/read", told=False)))
    world.verdicts = found
    assert (found[0]["read"]["usage"]["days"], world.odd()) == (len(USED["far/read"]), {})
    world.change(lambda connection: connection.execute(update(use_days).where(row("far/read", 0)).values(uses=9)))
    assert world.odd() == {"far/read": "usage"}


def test_what_was_told_later_of_earlier_days_is_left_out(world: World) -> None:
    def told(connection: Connection) -> None:
        late = [event(50), event(3)]
        SqlUsage(connection).append(5, late)
        SqlUsage(connection).put(Source("far-log", ("far",), 5, Instant(0)))
        SqlUseDays(connection).add(added_up(day_of(each, "work") for each in late))

    world.change(told)
    assert world.odd() == {}
    world.change(lambda connection: connection.execute(update(use_days).where(row("far/read", 0)).values(uses=9)))
    assert world.odd() == {"far/read": "usage"}


def test_a_boundary_that_is_said_to_have_ended_and_stands_is_policy(world: World) -> None:
    found: list[Verdict] = []
    world.change(lambda connection: found.append(verdict_on(connection, "s/read", granted=False)))
    world.verdicts = found
    assert world.odd() == {"s/read": "policy"}
    world.change(lambda connection: connection.execute(update(boundaries).values(state="superseded")))
    assert world.odd() == {}


@pytest.mark.parametrize(("name", "value"), [("to", "active"), ("from", "expiring"), ("reason", "used")])
def test_a_verdict_that_is_not_what_its_statement_says_contradicts_itself(world: World, name: str, value: str) -> None:
    world.verdicts[0] |= {name: value}
    assert world.odd() == {"s/read": "statement"}


def test_what_was_erased_cannot_be_derived_and_says_so(world: World) -> None:
    def erase(connection: Connection) -> None:
        connection.execute(delete(use_days))
        connection.execute(insert(data_keys).values(owner="agent:bot", version=1, wrapped=None, created=0))

    world.change(erase)
    found = world.replay()
    assert {(each.outcome, each.cause) for each in found.values()} == {("not_replayable", "erased")}


def test_use_from_before_days_were_written_down_is_not_held_against_it(world: World) -> None:
    world.change(lambda connection: connection.execute(delete(use_days).where(use_days.c.source == "remit")))
    later = UseDay(DayKey(*key("s/new"), FIRST + 399, "remit"), 1, 0, 0, (FIRST + 399) * DAY, (FIRST + 399) * DAY)
    world.change(lambda connection: SqlUseDays(connection).add([later]))
    assert world.odd() == {}


def test_a_log_is_derived_again_and_what_cannot_be_read_is_named(world: World) -> None:
    headers = [canonical(each) for each in world.verdicts]
    broken = headers[1].replace(b'"bot"', b'"bob"')
    forged = headers[3].replace(b'"reason":"idle"', b'"reason":"used"')
    heartbeat = canonical({"v": 1, "kind": "heartbeat", "id": "hbt_1"})
    stretches = [
        Stretch(0, 3, [headers[0], heartbeat, b'{"kind":"verdict"']),
        Stretch(3, 3, [broken, forged], "it holds 2 entries, its row says 3"),
    ]

    def run(connection: Connection) -> dict[str, Any]:
        found, ends = Summary(), 0
        for line in lines(stretches, Kept(rows_of(connection))):
            if line is None:
                ends += 1
            else:
                found.take(line)
        assert ends == 2
        return found.body()

    body = world.database.reader.read(run)
    assert body["counts"] == {"differs": 4, "same": 1}
    assert [(each["index"], each["cause"]) for each in body["differs"]] == [
        (2, "log"), (3, "usage"), (4, "statement"), (5, "log"),
    ]  # fmt: skip


def test_the_command_derives_a_whole_log_again_beside_the_server(world: World) -> None:
    def record(tx: Transaction) -> None:
        for each in world.verdicts:
            tx.record(Entry(each["id"], canonical(each)))

    world.database.writer.change(record)
    world.change(lambda connection: connection.execute(update(bundles).values(first=0)))  # as the sequencer does
    run = partial(CliRunner().invoke, certify, standalone_mode=False)
    fine = run(["replay", "--all", "--data", str(world.where), "--json"])
    assert (fine.return_value, json.loads(fine.stdout)) == (
        Exit.OK, {"verdicts": 4, "counts": {"same": 4}, "differs": []},
    )  # fmt: skip
    one = run(["replay", "ver_s/write", "--data", str(world.where), "--json"])
    assert (one.return_value, json.loads(one.stdout)["index"]) == (Exit.OK, 1)
    world.change(lambda connection: connection.execute(delete(use_days).where(row("s/write", 1))))
    bad = run(["replay", "--all", "--data", str(world.where)])
    assert bad.return_value == Exit.INTEGRITY
    assert "ver_s/write  bot s/write: usage: recorded 3 days" in bad.stdout
    gone = run(["replay", "ver_s/write", "--data", str(world.where)])
    assert (gone.return_value, "cause:    usage" in gone.stdout) == (Exit.INTEGRITY, True)
