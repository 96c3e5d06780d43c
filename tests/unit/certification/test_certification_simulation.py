"""A history played with a virtual clock: by hand first, then laws."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from remit.certification.simulation.history import History, history
from remit.certification.simulation.play import Outcome, simulate
from remit.certification.simulation.series import RULES, compared, moved_line, of_day, refused_line, report
from remit.cli.simulated import curves
from remit.kernel.clock import DAY, HOUR

START = 20_000 * DAY


class Told:
    """Builds a history, line by line."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.tell("owner", 0, owner="dana", status="active")
        self.tell("agent", 0, agent="bot", owner="dana", version="1")

    def tell(self, kind: str, at: int, **members: Any) -> None:
        self.lines.append({"kind": kind, "at": START + at, "source": "s", "seq": len(self.lines) + 1, **members})

    def grant(self, action: str, tier: str, at: int = 0, **more: Any) -> None:
        self.tell("entitlement", at, agent="bot", purpose="work", action=action, tier=tier, **more)

    def use(self, action: str, at: int, **more: Any) -> None:
        self.tell("use", at, agent="bot", purpose="work", action=action, **more)

    def covered(self, until: int, since: int = 0) -> None:
        for day in range(since, until):
            self.tell("coverage", (day + 1) * DAY, **{"from": START + day * DAY, "to": START + (day + 1) * DAY})

    def played(self, **how: Any) -> Outcome:
        return simulate(read(self.lines), each_day=of_day, **how)


def read(lines: Iterable[dict[str, Any]]) -> History:
    return history(enumerate(json.loads(json.dumps(list(lines))), start=1))


def changes(outcome: Outcome, action: str) -> list[tuple[int, str, str]]:
    return [((each.at - START) // HOUR, each.after, each.by) for each in outcome.moved if each.key.action == action]


def refusals(outcome: Outcome) -> list[tuple[str, str]]:
    return [(each.key.action, each.refusal) for each in outcome.refused]


def test_what_is_not_used_lapses_and_comes_back_with_the_use_that_needs_it() -> None:
    told = Told()
    told.grant("crm/read", "low")
    told.covered(45)
    told.use("crm/read", 40 * DAY)
    found = told.played()
    assert changes(found, "crm/read") == [
        # Of a day the record is known to be complete when it is over.
        (22 * 24, "expiring", "engine"), (30 * 24, "needs_usage", "engine"), (30 * 24, "lapsed", "engine"),
        (40 * 24, "active", "use"),
    ]  # fmt: skip
    assert refusals(found) == []
    assert [day["direct"] for day in found.days][28:32] == [1, 1, 0, 0]
    assert found.days[30]["latent"] == 1


def test_what_is_critical_never_comes_back_alone() -> None:
    told = Told()
    told.grant("bank/pay", "critical")
    told.covered(5)
    told.use("bank/pay", 3 * DAY)
    assert refusals(told.played()) == [("bank/pay", "never")]


def test_where_the_record_has_a_hole_nothing_lapses_until_it_is_filled() -> None:
    told = Told()
    told.grant("crm/read", "low")
    told.covered(20)
    told.tell("use", 45 * DAY, agent="bot", purpose="work", action="crm/other")
    cut = told.played()
    assert changes(cut, "crm/read")[-1][1] == "needs_usage"
    told.covered(45, since=20)
    assert [state for _, state, _ in changes(told.played(), "crm/read")][-1] == "lapsed"


def test_without_any_coverage_nothing_is_known_and_it_can_be_taken_for_complete() -> None:
    told = Told()
    told.grant("crm/read", "low")
    told.use("crm/other", 60 * DAY)
    assert changes(told.played(), "crm/read")[-1][1] == "needs_usage"
    assert changes(told.played(assume_complete=True), "crm/read")[-1][1] == "lapsed"


def test_a_monthly_job_that_nobody_declared_lapses_at_most_three_times() -> None:
    told = Told()
    told.grant("books/close", "medium")
    told.covered(400)
    for month in range(13):
        told.use("books/close", month * 31 * DAY)
    found = told.played()
    assert sum(state == "lapsed" for _, state, _ in changes(found, "books/close")) <= 3
    assert [state for at, state, _ in changes(found, "books/close") if at > 100 * 24 and state == "lapsed"] == []
    assert refusals(found) == []


def test_a_declared_cadence_is_waited_for_half_as_long_again() -> None:
    told = Told()
    told.grant("books/close", "high", cadence_days=31)
    told.covered(60)
    told.use("books/close", 31 * DAY)
    assert [state for _, state, _ in changes(told.played(), "books/close") if state == "lapsed"] == []


def test_a_thief_wakes_up_no_more_than_five_in_an_hour() -> None:
    told = Told()
    for at in range(12):
        told.grant(f"crm/r{at}", "low")
    told.covered(41)
    for at in range(12):
        told.use(f"crm/r{at}", 40 * DAY + at)
    assert [refusal for _, refusal in refusals(told.played())] == ["quota"] * 7


def test_after_a_signal_nothing_wakes_up_and_after_a_critical_one_nothing_works() -> None:
    told = Told()
    told.grant("crm/read", "low")
    told.grant("crm/used", "low")
    told.covered(45)
    told.use("crm/used", 39 * DAY)
    told.tell("signal", 40 * DAY, agent="bot", signal="anomaly", on=True)
    told.tell("signal", 40 * DAY + 1, agent="bot", signal="denied_often", on=True)
    told.use("crm/read", 40 * DAY + 2)
    told.use("crm/used", 40 * DAY + 3)
    told.tell("signal", 41 * DAY, agent="bot", signal="critical", on=True)
    told.use("crm/used", 41 * DAY + 1)
    told.tell("signal", 42 * DAY, agent="bot", signal="critical", on=False)
    told.use("crm/used", 42 * DAY + 1)
    found = told.played()
    assert refusals(found) == [("crm/read", "risk"), ("crm/used", "suspended")]
    assert (42 * 24, "active", "person") in changes(found, "crm/used")


def test_what_is_used_together_lapses_together() -> None:
    told = Told()
    told.grant("crm/list", "medium")
    told.grant("crm/read", "medium")
    told.covered(120)
    for day in range(30):
        for action in ("crm/list", "crm/read"):
            told.use(action, day * DAY + 1, run=f"run_{day}")
    for day in range(30, 119):  # from here on only one of them is used
        told.use("crm/read", day * DAY + 1, run=f"run_{day}")
    found = changes(told.played(), "crm/list")
    lapsed = [hour // 24 for hour, state, _ in found if state == "lapsed"]
    # Alone it would have lapsed on day 43; it stays as long as the two are seen in the same runs.
    assert lapsed
    assert min(lapsed) > 43


def test_a_feed_that_claims_that_nothing_is_used_any_more_withdraws_next_to_nothing() -> None:
    told = Told()
    for at in range(200):
        told.grant(f"crm/r{at}", "medium")
        for day in range(4):
            told.use(f"crm/r{at}", day * DAY + at)
    told.covered(24)
    nobody_answers = told.played(answers_after=400 * DAY)
    lapses = [each for each in nobody_answers.moved if each.after == "lapsed"]
    assert len(lapses) <= 2  # a hundredth
    assert len(nobody_answers.asked) == 1
    assert nobody_answers.asked[0].what == "usage_doubted"
    # Once a person says that it is right, it goes; a part of it an hour before the rest.
    trusted = told.played(answers_after=DAY)
    assert sum(each.after == "lapsed" for each in trusted.moved) == 200
    assert refusals(trusted) == []


def test_the_order_of_lines_and_repeated_lines_change_nothing() -> None:
    told = Told()
    for at in range(20):
        told.grant(f"crm/r{at}", "low", at=at)
    told.covered(90)
    rng = random.Random(7)
    for _ in range(300):
        told.use(f"crm/r{rng.randrange(20)}", rng.randrange(90 * DAY))
    shuffled = [*told.lines, *told.lines[::3]]
    rng.shuffle(shuffled)

    def said(outcome: Outcome) -> str:
        return json.dumps(
            [
                [moved_line(each) for each in outcome.moved],
                [refused_line(each) for each in outcome.refused],
                outcome.days,
            ]
        )

    twice = read(shuffled)
    assert twice.twice == len(told.lines[::3])
    assert said(told.played()) == said(simulate(twice, each_day=of_day))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("rubbish", "a line is a JSON object"),
        ({"kind": "dance", "at": START, "seq": 1}, "a history has no lines of kind dance"),
        ({"kind": "use", "at": START, "seq": 1, "agent": "bot"}, "a line of kind use needs action"),
        ({"kind": "owner", "at": START, "owner": "dana", "status": "active"}, "a line needs seq or id"),
        ({"kind": "owner", "at": "yesterday", "seq": 1, "owner": "dana", "status": "active"}, "a time is RFC 3339"),
        (
            {"kind": "entitlement", "at": START, "seq": 1, "agent": "b", "purpose": "p", "action": "s/t", "tier": "x"},
            "tier is one of",
        ),
        ({"kind": "signal", "at": START, "seq": 1, "agent": "b", "signal": "bored"}, "signal is one of"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_taken(line: Any, why: str) -> None:
    told = Told()
    found = history([*enumerate(told.lines, start=1), (99, line)])
    assert len(found.lines) == len(told.lines)
    assert found.refused[0][0] == 99
    assert found.refused[0][1].startswith(why)


def test_simpler_rules_over_the_same_history() -> None:
    told = Told()
    told.grant("crm/read", "low")
    told.grant("crm/write", "high")
    told.use("crm/write", 50 * DAY)
    told.use("crm/write", 50 * DAY + HOUR)
    told.use("crm/write", 52 * DAY)
    told.covered(100)
    played = read(told.lines)
    idle, _, _, review = (compared(played, rule) for rule in RULES)
    assert (idle["refused"], idle["withdrawn"]) == (2, 2)  # missed, missed again, given back the next day
    assert idle["direct"][28:31] == [11, 0, 0]
    assert idle["direct"][53] == 10
    assert review["direct"][89:92] == [11, 10, 10]
    outcome = told.played()
    said = report(played, outcome, [idle, review])
    assert said["entitlements"] == 2
    assert {each["rule"] for each in said["rules"]} == {"idle 30 days", "quarterly review"}
    names = [name for name, _ in curves(outcome, [idle, review])]
    assert names == ["Remit: usable now", "Remit: or by itself", "idle 30 days", "quarterly review"]
