"""Conditions in documents: read, stored, shown, compared, handed on; and what is no condition."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access import codec, spec
from remit.access.attenuate import attenuated, wider
from remit.access.conditions import DAY_NAMES, MINUTES, Conditions, Step, Volume, Window
from remit.access.conditions_document import read_back, said
from remit.access.conditions_widen import both, conditions_widen
from remit.access.draft import Draft
from remit.access.expand import expand
from remit.access.model import Rule
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.kernel.clock import MINUTE, Micros
from remit.kernel.names import ActionName, ServerName, ToolName
from remit.people.document import SpecInvalid
from remit.server.shapes import rule as shape

WINDOW = {"days": ["mon..fri"], "from": "08:00", "to": "18:00", "zone": "Europe/Berlin"}
CLAUSE = {
    "action": "pay/disburse",
    "limits": {"rate": "30/min", "volume": {"bytes": "10MB", "per": "day"}, "max_depth": 1},
    "windows": [WINDOW],
    "sequence": {
        "requires_before": ["pay/look", {"action": "pay/approve", "same": {"invoice": "id"}, "within": "1h"}],
        "forbidden_after": ["mail/read"],
        "per_run": 3,
    },
}
ACTIONS = st.sampled_from([ActionName(f"pay/{name}") for name in "abc"])
WINDOWS = st.builds(
    lambda days, start, length, zone: Window(
        days=tuple(sorted(days)), start=start, end=min(MINUTES, start + length), zone=zone
    ),
    st.sets(st.integers(0, 6), min_size=1), st.integers(0, MINUTES - 1), st.integers(1, 600),
    st.sampled_from(["UTC", "Europe/Berlin"]),
)  # fmt: skip
STEPS = st.builds(
    lambda action, same, within: Step(action=action, same=same, within=within and Micros(within * MINUTE)),
    ACTIONS, st.sampled_from([(), (("x", "a"),), (("x", "a"), ("y", "b"))]), st.sampled_from([None, 5, 60]),
)  # fmt: skip
CONDITIONS = st.builds(
    lambda windows, volume, depth, requires, forbidden, per_run: Conditions(
        windows=tuple(windows), volume=volume, max_depth=depth, requires_before=tuple(dict.fromkeys(requires)),
        forbidden_after=tuple(sorted(forbidden)), per_run=per_run,
    ),
    st.lists(WINDOWS, max_size=1),
    st.none()
    | st.builds(lambda size, per: Volume(bytes=size, per=per), st.integers(1, 5), st.sampled_from(["hour", "day"])),
    st.none() | st.integers(0, 3), st.lists(STEPS, max_size=2), st.sets(ACTIONS), st.none() | st.integers(1, 4),
)  # fmt: skip


def same_as(mine: str, theirs: str) -> dict[str, Any]:
    return {"requires_before": [{"action": "pay/approve", "same": {mine: theirs}}]}


def drafted(sequence: dict[str, Any]) -> Draft:
    allow = [{"action": "pay/disburse", "sequence": sequence}]
    return spec.boundary({"boundary": "b", "agent": "a", "purpose": "p", "allow": allow, "not_after": "2029-12-31"})


def read(clause: dict[str, Any]) -> Any:
    return spec.clauses([clause])[0]


def test_the_whole_of_a_clause() -> None:
    assert read(CLAUSE).conditions == Conditions(
        windows=(Window(days=(0, 1, 2, 3, 4), start=480, end=1080, zone="Europe/Berlin"),),
        volume=Volume(bytes=10_000_000, per="day"),
        max_depth=1,
        requires_before=(
            Step(action=ActionName("pay/look")),
            Step(action=ActionName("pay/approve"), same=(("invoice", "id"),), within=Micros(60 * MINUTE)),
        ),
        forbidden_after=(ActionName("mail/read"),),
        per_run=3,
    )
    assert read({"action": "pay/disburse", "limits": {"rate": "1/min"}}).conditions is None


def test_it_is_stored_and_shown_as_it_was_written() -> None:
    clause = read(CLAUSE)
    rules = {ActionName("pay/disburse"): clause.rule(ActionName("pay/disburse"))}
    assert codec.rules_from(codec.rules_text(rules)) == rules
    shown = shape(rules[ActionName("pay/disburse")])
    assert shown["windows"] == [{**WINDOW, "days": list(DAY_NAMES[:5])}]
    assert shown["sequence"] == CLAUSE["sequence"]
    assert shown["limits"] == {"volume": {"bytes": "10MB", "per": "day"}, "max_depth": 1}


@given(CONDITIONS)
def test_what_was_said_is_read_back(conditions: Conditions) -> None:
    assert read_back(said(conditions)) == (None if conditions == Conditions() else conditions)


STEP = "sequence.requires_before.0"
LATE = {**WINDOW, "days": ["fri"], "from": "17:00", "to": "20:00"}


@pytest.mark.parametrize(
    ("bend", "field", "says"),
    [
        ({"windows": []}, "windows", "items"),
        ({"windows": [WINDOW, LATE]}, "windows", "overlap on fri"),
        ({"windows": [{**WINDOW, "zone": "Mars/Olympus"}]}, "windows.0.zone", "no time zone Mars/Olympus"),
        ({"windows": [{**WINDOW, "zone": 1}]}, "windows.0.zone", "IANA"),
        ({"windows": [{**WINDOW, "from": "18:00", "to": "08:00"}]}, "windows.0.to", "two windows"),
        ({"windows": [{**WINDOW, "from": 480}]}, "windows.0.from", "in quotes"),
        ({"windows": [{**WINDOW, "to": "24:01"}]}, "windows.0.to", "HH:MM"),
        ({"windows": [{**WINDOW, "days": ["fri..mon"]}]}, "windows.0.days", "backwards"),
        ({"windows": [{**WINDOW, "days": ["mon..tue", "tue"]}]}, "windows.0.days", "twice"),
        ({"windows": [{**WINDOW, "days": ["monday"]}]}, "windows.0.days", "mon, tue"),
        ({"windows": [{**WINDOW, "hours": "8"}]}, "windows.0.hours", "unknown key"),
        ({"limits": {"volume": {"bytes": "10MiB", "per": "day"}}}, "limits.volume.bytes", "10MB"),
        ({"limits": {"volume": {"bytes": 10, "per": "day"}}}, "limits.volume.bytes", "10MB"),
        ({"limits": {"volume": {"bytes": "1.5MB", "per": "day"}}}, "limits.volume.bytes", "10MB"),
        ({"limits": {"volume": {"bytes": "10MB", "per": "min"}}}, "limits.volume.per", "hour"),
        ({"limits": {"max_depth": -1}}, "limits.max_depth", "whole number"),
        ({"sequence": {}}, "sequence.requires_before", "missing"),
        ({"sequence": {"requires_before": ["pay/*"]}}, "sequence.requires_before.0", "no pattern"),
        ({"sequence": {"requires_before": ["pay/a", "pay/a"]}}, "sequence.requires_before", "twice"),
        ({"sequence": {"requires_before": [{"action": "pay/a", "same": []}]}}, f"{STEP}.same", "object"),
        ({"sequence": {"requires_before": [{"action": "pay/a", "within": "2d"}]}}, f"{STEP}.within", "long"),
        ({"sequence": {"forbidden_after": ["pay"]}}, "sequence.forbidden_after.0", "server/tool"),
        ({"sequence": {"per_run": 0}}, "sequence.per_run", "whole number"),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_by_field(bend: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        read({"action": "pay/disburse", **bend})
    problems = {problem.field: problem.message for problem in refused.value.problems}
    assert f"0.{field}" in problems, problems
    assert says in problems[f"0.{field}"]


W = Window(days=(0, 1), start=480, end=1080, zone="UTC")
BERLIN = Window(days=(0,), start=500, end=600, zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ({"windows": (W,)}, {}, "time windows"),
        ({"windows": (W,)}, {"windows": (Window(days=(0,), start=480, end=1081, zone="UTC"),)}, "time windows"),
        ({"windows": (W,)}, {"windows": (BERLIN,)}, "time windows"),
        ({"windows": (W,)}, {"windows": (Window(days=(1,), start=500, end=600, zone="UTC"),)}, ""),
        ({"volume": Volume(bytes=5, per="day")}, {"volume": Volume(bytes=6, per="day")}, "data volume"),
        ({"volume": Volume(bytes=5, per="day")}, {"volume": Volume(bytes=1, per="hour")}, "data volume"),
        ({"volume": Volume(bytes=5, per="day")}, {"volume": Volume(bytes=4, per="day")}, ""),
        ({"max_depth": 1}, {"max_depth": 2}, "handed on further"),
        ({"max_depth": 1}, {}, "handed on further"),
        ({"per_run": 1}, {"per_run": 2}, "one run"),
        ({"requires_before": (Step(action=ActionName("a/b")),)}, {}, "no longer needs a/b"),
        (
            {"requires_before": (Step(action=ActionName("a/b"), same=(("x", "y"),)),)},
            {"requires_before": (Step(action=ActionName("a/b")),)}, "no longer needs a/b",
        ),
        (
            {"requires_before": (Step(action=ActionName("a/b")),)},
            {"requires_before": (Step(action=ActionName("a/b"), same=(("x", "y"),), within=Micros(1)),)}, "",
        ),
        (
            {"requires_before": (Step(action=ActionName("a/b"), within=Micros(1)),)},
            {"requires_before": (Step(action=ActionName("a/b"), within=Micros(2)),)}, "no longer needs a/b",
        ),
        ({"forbidden_after": (ActionName("a/b"),)}, {}, "no longer forbidden after a/b"),
        ({}, {"per_run": 1, "max_depth": 0, "windows": (W,)}, ""),
    ],
)  # fmt: skip
def test_what_widens(old: dict[str, Any], new: dict[str, Any], says: str) -> None:
    found = list(conditions_widen(Conditions(**old), Conditions(**new)))
    assert bool(found) is bool(says), found
    assert says in "".join(found)


@given(CONDITIONS, CONDITIONS)
def test_where_both_must_hold_neither_is_wider(one: Conditions, other: Conditions) -> None:
    met = both(one, other)
    if met is not None and (met.windows or not (one.windows or other.windows)):
        assert list(conditions_widen(one, met)) == []


def test_what_is_handed_on_is_no_wider_and_keeps_what_was_not_said() -> None:
    action = ActionName("pay/disburse")
    rules = {action: Rule(action=action, conditions=read(CLAUSE).conditions)}
    asked = spec.clauses([{"action": "pay/disburse", "limits": {"max_depth": 0}, "sequence": {"per_run": 1}}])
    assert wider(rules, asked) == []
    left = attenuated(rules, asked)[action].conditions
    assert left is not None
    assert (left.max_depth, left.per_run, left.volume) == (0, 1, Volume(bytes=10_000_000, per="day"))
    assert len(left.requires_before) == 2
    more = spec.clauses([{"action": "pay/disburse", "limits": {"max_depth": 2}}])
    assert wider(rules, more) == ["pay/disburse: it may be handed on further"]
    sunday = spec.clauses([{"action": "pay/disburse", "windows": [{**WINDOW, "days": ["sun"]}]}])
    assert attenuated(rules, sunday) == {}
    assert "time windows" in wider(rules, sunday)[0]


def server(name: str, **tools: dict[str, Any]) -> Server:
    found = {
        ToolName(tool): Tool(
            name=ToolName(tool), tier=Tier.LOW, pin="p", seen=None,
            definition={"inputSchema": {"properties": properties}},
            state=PinState.APPROVED,
        )
        for tool, properties in tools.items()
    }  # fmt: skip
    return Server(
        server=ServerName(name), url="", credential=None, tiers=(), review="", tools=found, set_pin="x" if tools else ""
    )  # fmt: skip


TEXT, ANY = {"type": "string"}, {"type": "object"}
CATALOG = {
    "pay": server("pay", disburse={"invoice": TEXT, "bill": ANY}, approve={"id": TEXT, "all": ANY}),
    "dark": server("dark"),
}


@pytest.mark.parametrize(
    ("sequence", "field", "says"),
    [
        ({"requires_before": ["pay/missing"]}, "requires_before.0.action", "there is no pay/missing"),
        ({"requires_before": ["gone/approve"]}, "requires_before.0.action", "there is no gone/approve"),
        ({"forbidden_after": ["gone/read"]}, "forbidden_after.0", "there is no gone/read"),
        (same_as("amount", "id"), "requires_before.0.same.amount", "pay/disburse has no argument amount"),
        (same_as("invoice", "number"), "requires_before.0.same.invoice", "pay/approve has no argument number"),
        (same_as("bill", "id"), "requires_before.0.same.bill", "is not compared"),
        (same_as("invoice", "all"), "requires_before.0.same.invoice", "is not compared"),
    ],
)
def test_a_step_that_can_never_be_done_is_refused(sequence: dict[str, Any], field: str, says: str) -> None:
    found = expand(drafted(sequence), CATALOG.get)
    (problem,) = found.problems
    assert (problem.field, says in problem.message) == (f"allow.0.sequence.{field}", True), problem


def test_a_step_on_a_server_that_was_never_reached_waits_for_it() -> None:
    found = expand(drafted({"requires_before": ["dark/approve"]}), CATALOG.get)
    assert (found.problems, found.waiting) == ((), ("dark",))
    assert expand(drafted(same_as("invoice", "id")), CATALOG.get).problems == ()
