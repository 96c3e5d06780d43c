"""Expansion, widening, and the life of a boundary's versions."""

from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.access import spec
from remit.access.draft import Draft, History, Version
from remit.access.expand import expand
from remit.access.fit import kinds_of
from remit.access.model import Bound, BoundaryState, Budget, Rate, Rule
from remit.access.propose import after, approve, propose
from remit.access.widen import rule_widens, rules_widen
from remit.catalog.model import PinState, Server, Tier, Tool
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.names import ActionName, AgentName, OwnerName, PurposeName, ServerName, ToolName
from remit.people.document import SpecInvalid
from remit.policy.constraints import above_approval, violations

NOW = Instant(1_790_000_000_000_000)
DANA = OwnerName("dana")
SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}, "to": {"type": "string"}}}
ACTION = ActionName("pay/transfer")


def catalog(**tools: PinState) -> dict[str, Server]:
    """One server `pay` with these tools, and one that was never reached."""
    found = {
        ToolName(name): Tool(
            name=ToolName(name),
            tier=Tier.HIGH,
            pin="" if state is PinState.PENDING else "p",
            definition={"inputSchema": SCHEMA},
            seen=None,
            state=state,
        )
        for name, state in tools.items()
    }
    pay = Server(
        server=ServerName("pay"),
        url="",
        credential=None,
        tiers=(),
        review="",
        tools=found,
        set_pin="x" if tools else "",
    )
    return {"pay": pay, "dark": replace(pay, server=ServerName("dark"), tools={}, set_pin="")}


A, P, C, G = PinState.APPROVED, PinState.PENDING, PinState.CHANGED, PinState.GONE


def draft(*allow: str | dict[str, Any], end: str = "2027-03-31") -> Draft:
    clauses = [{"action": each} if isinstance(each, str) else each for each in allow]
    fields = {"boundary": "b", "agent": "bot", "purpose": "p", "allow": clauses, "not_after": end}
    return spec.boundary(fields)


def in_force(written: Draft, tools: Mapping[str, Server]) -> History:
    history = History()
    history = after(history, propose(written, history, tools.get, now=NOW))
    return after(history, approve(history, tools.get, by=DANA, now=NOW))


def test_patterns_become_pinned_names() -> None:
    found = expand(draft("pay/*"), catalog(a=A, b=P, c=C, d=G).get)
    assert (list(found.rules), found.problems, found.waiting, found.unreviewed) == (["pay/a", "pay/c"], (), (), ())
    kept = expand(draft("pay/*"), catalog(a=A, d=G).get, keep=[ActionName("pay/d")])
    assert list(kept.rules) == ["pay/a", "pay/d"]


def test_an_exact_action_wins_over_a_pattern_and_two_patterns_are_a_problem() -> None:
    found = expand(draft("pay/*", {"action": "pay/a", "ttl": "1d"}), catalog(a=A, b=A).get)
    assert (found.rules[ActionName("pay/a")].ttl, found.rules[ActionName("pay/b")].ttl) == (DAY, None)
    clash = expand(draft("pay/*", "pay/a*"), catalog(a=A, b=A).get)
    assert [(problem.field, problem.message) for problem in clash.problems] == [
        ("allow.1.action", "pay/a is matched by allow.0 as well")
    ]


@pytest.mark.parametrize("action", ["pay/ghost", "pay/gh*", "pay/d"])
def test_on_a_reached_server_an_unknown_action_is_a_problem(action: str) -> None:
    assert expand(draft(action), catalog(a=A, d=G).get).problems[0].field == "allow.0.action"


def test_what_is_not_known_yet_waits() -> None:
    dark = expand(draft("dark/x", "dark/*y"), catalog().get)
    assert (dark.rules, dark.problems, dark.waiting) == ({}, (), ("dark",))
    quarantined = expand(draft("pay/b", "pay/x*"), catalog(b=P, x1=P).get)
    assert (quarantined.problems, quarantined.waiting, quarantined.unreviewed) == ((), ("pay",), ("pay/b",))
    assert expand(draft("ghost/x"), catalog().get).problems[0].message == "there is no server ghost"


@pytest.mark.parametrize(
    ("schema", "kinds"),
    [
        ({"type": "number"}, {"number"}),
        ({"type": ["integer", "null"]}, {"integer"}),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, {"number"}),
        ({"$ref": "#/$defs/money"}, {"integer"}),
        ({"$ref": "http://elsewhere/x"}, set()),
        ({"$ref": "#/properties/x"}, set()),
        ({"enum": ["a", 1]}, {"string", "number", "integer"}),
        ({"const": True}, {"boolean"}),
        ({}, set()),
        (True, set()),
    ],
)
def test_the_types_of_an_argument(schema: object, kinds: object) -> None:
    root = {"properties": {"x": schema}, "$defs": {"money": {"type": "integer"}}}
    assert kinds_of(root, "x") == kinds
    assert kinds_of(root, "y") is None
    assert kinds_of({}, "x") is None


def step(history: History, written: Draft, tools: Mapping[str, Server]) -> tuple[str, BoundaryState]:
    found = propose(written, history, tools.get, now=NOW)
    return found.change, found.now.state


def test_from_proposed_to_active_to_superseded() -> None:
    tools = catalog(a=A, b=A)
    history = in_force(draft("pay/a"), tools)
    assert history.active is not None
    assert (history.active.version, history.active.approved_by, history.waiting) == (1, "dana", None)
    assert step(history, draft("pay/a"), tools) == ("unchanged", BoundaryState.ACTIVE)
    wide = propose(draft("pay/*"), history, tools.get, now=NOW)
    assert (wide.change, wide.waits, wide.reasons) == ("widen", True, ("pay/* is added",))
    both = after(history, wide)
    assert both.active == history.active
    assert step(both, draft("pay/*"), tools) == ("unchanged", BoundaryState.PROPOSED)
    assert step(both, draft("pay/b"), tools) == ("widen", BoundaryState.PROPOSED)
    back = propose(draft("pay/a"), both, tools.get, now=NOW)
    assert after(both, back) == replace(history, last=2)
    approved = after(both, approve(both, tools.get, by=DANA, now=NOW))
    assert approved.active is not None
    assert (approved.active.version, list(approved.active.rules or ())) == (2, ["pay/a", "pay/b"])


def test_new_matches_wait_for_a_person() -> None:
    history = in_force(draft("pay/*"), catalog(a=A))
    more = catalog(a=A, b=A)
    assert step(history, draft("pay/*"), more) == ("unchanged", BoundaryState.ACTIVE)
    narrower = propose(draft("pay/*", end="2027-01-01"), history, more.get, now=NOW)
    assert (narrower.change, list(narrower.now.rules or ())) == ("narrow", ["pay/a"])
    again = approve(history, more.get, by=DANA, now=NOW)
    assert (again.now.version, list(again.now.rules or ())) == (2, ["pay/a", "pay/b"])
    assert approve(after(history, again), more.get, by=DANA, now=NOW).change == "unchanged"


def test_a_tool_that_is_gone_for_a_while_is_not_lost_by_narrowing() -> None:
    history = in_force(draft("pay/*"), catalog(a=A, b=A))
    narrower = propose(draft("pay/*", end="2027-01-01"), history, catalog(a=A, b=G).get, now=NOW)
    assert (narrower.change, list(narrower.now.rules or ())) == ("narrow", ["pay/a", "pay/b"])


@pytest.mark.parametrize(
    "other",
    [replace(draft("pay/a"), agent=AgentName("other")), replace(draft("pay/a"), purpose=PurposeName("other"))],
)
def test_another_agent_or_purpose_widens(other: Draft) -> None:
    tools = catalog(a=A)
    assert step(in_force(draft("pay/a"), tools), other, tools)[0] == "widen"


def test_what_cannot_be_approved() -> None:
    def attempt(history: History, tools: Mapping[str, Server], now: Instant = NOW) -> None:
        approve(history, tools.get, by=DANA, now=now)

    waiting = History(waiting=Version(draft=draft("pay/a"), version=1, state=BoundaryState.PROPOSED), last=1)
    with pytest.raises(NotFound):
        attempt(History(), catalog())
    with pytest.raises(Conflict, match="waits for the tools of pay"):
        attempt(waiting, catalog())
    with pytest.raises(Conflict, match="waits for review"):
        attempt(waiting, catalog(a=P, b=A))
    with pytest.raises(Conflict, match="no longer fits"):
        attempt(waiting, catalog(b=A))
    with pytest.raises(Conflict, match="has passed"):
        attempt(waiting, catalog(a=A), Instant(waiting.waiting.draft.not_after if waiting.waiting else 0))
    with pytest.raises(Conflict, match="matches no approved tool"):
        attempt(replace(waiting, waiting=replace(waiting.waiting, draft=draft("pay/a*"))), catalog(a=P, b=A))  # type: ignore[type-var]


def test_a_past_end_is_refused_unless_it_is_what_is_there() -> None:
    tools = catalog(a=A)
    history = in_force(draft("pay/a"), tools)
    assert history.active is not None
    later = Instant(history.active.draft.not_after + 1)
    assert propose(draft("pay/a"), history, tools.get, now=later).change == "unchanged"
    with pytest.raises(SpecInvalid, match="the end has passed"):
        propose(draft("pay/a", end="2027-01-01"), history, tools.get, now=later)


# the law: what is not called widening allows nothing new --------------------------------------

amounts = st.sampled_from([None, *map(Decimal, ("0", "1", "1.5", "2"))])
options = st.sampled_from([None, ("a",), ("a", "ab"), (Decimal(1),), (Decimal(1), True), (True, "b")])
words = st.sampled_from([None, "a", "ab"])
lengths = st.sampled_from([None, 0, 1, 2])


def bounds(argument: str) -> st.SearchStrategy[tuple[Bound, ...]]:
    bound = st.builds(
        Bound,
        argument=st.just(argument),
        max=amounts,
        min=amounts,
        in_=options,
        prefix=words,
        max_length=lengths,
    )
    return st.lists(bound, max_size=1).map(tuple)


thresholds = st.dictionaries(st.sampled_from(["x", "y"]), amounts.filter(lambda each: each is not None), max_size=2)
some_rules = st.builds(
    Rule,
    action=st.just(ACTION),
    when=st.tuples(bounds("x"), bounds("y")).map(lambda each: each[0] + each[1]),
    rate=st.none() | st.builds(Rate, count=st.integers(1, 3), per=st.sampled_from(["min", "hour"])),
    budget=st.none()
    | st.builds(
        Budget,
        argument=st.sampled_from(["x", "y"]),
        max=st.sampled_from([Decimal(1), Decimal(2)]),
        per=st.sampled_from(["hour", "day"]),
    ),
    approval_above=thresholds.map(lambda each: tuple(each.items())),
    first_use=st.sampled_from([None, "auto"]),
    ttl=st.sampled_from([None, Micros(DAY), Micros(2 * DAY)]),
)
VALUES: list[Any] = [None, 0, 1, Decimal("1.5"), 2, 3, -1, "", "a", "ab", "b", True, False, ["a"], [1, "b"]]
CALLS = [
    {name: value for name, value in (("x", x), ("y", y)) if value is not None} for x, y in product(VALUES, repeat=2)
]


def passes(rule: Rule, call: Mapping[str, Any]) -> bool:
    return not violations(rule, call) and above_approval(rule, call) is None


def counts(rule: Rule) -> tuple[Any, ...]:
    budget = rule.budget
    return (rule.rate and (rule.rate.per, rule.rate.count), budget and (budget.argument, budget.per, budget.max))


PARTS: dict[str, st.SearchStrategy[Any]] = {
    "max": amounts,
    "min": amounts,
    "in_": options,
    "prefix": words,
    "max_length": lengths,
}


@st.composite
def edits(draw: st.DrawFn) -> tuple[Rule, Rule]:
    """A rule and an edit of it: two rules made apart are seldom close enough for one part to decide."""
    old, other = draw(some_rules), draw(some_rules)
    if draw(st.booleans()):
        names = st.sampled_from([each.name for each in fields(Rule) if each.name != "action"])
        return old, replace(old, **{name: getattr(other, name) for name in draw(st.sets(names, max_size=2))})
    part = draw(st.sampled_from(sorted(PARTS)))
    before, after = draw(PARTS[part]), draw(PARTS[part])
    old = replace(old, when=(Bound(argument="x", **{part: before}),), approval_above=())
    return old, replace(old, when=(Bound(argument="x", **{part: after}),))


@settings(max_examples=examples(400), deadline=None)
@given(edits())
@example(
    (
        Rule(action=ACTION, when=(Bound(argument="x", in_=(True,)),)),
        Rule(action=ACTION, when=(Bound(argument="x", in_=(Decimal(1),)),)),
    )
)
def test_what_does_not_widen_allows_nothing_new(edit: tuple[Rule, Rule]) -> None:
    old, new = edit
    if list(rule_widens(old, new)):
        return
    for call in CALLS:
        assert passes(old, call) or not passes(new, call)
    for limit, before in zip(counts(new), counts(old), strict=True):
        assert before is None or (limit is not None and limit[:-1] == before[:-1] and limit[-1] <= before[-1])
    assert new.first_use is None or old.first_use == "auto"
    assert old.limited or not new.limited  # a critical action without limits needs a person for each call
    assert old.ttl is None or (new.ttl is not None and new.ttl <= old.ttl)


@given(some_rules)
def test_the_same_rule_does_not_widen_itself(rule: Rule) -> None:
    assert list(rule_widens(rule, rule)) == []
    assert list(rules_widen({ACTION: rule}, {})) == []
    assert list(rules_widen({}, {ACTION: rule})) == [f"{ACTION} is added"]


BASE = Rule(
    action=ACTION,
    when=(Bound(argument="x", max=Decimal(5), min=Decimal(1), in_=("a",), prefix="ab", max_length=3),),
    rate=Rate(count=3, per="min"),
    budget=Budget(argument="x", max=Decimal(5), per="day"),
    approval_above=(("x", Decimal(2)),),
    approval_by=("lee", "mo"),
    approval_quorum=2,
    ttl=Micros(DAY),
)


def bent(**bound: Any) -> Rule:
    return replace(BASE, when=(replace(BASE.when[0], **bound),))


@pytest.mark.parametrize(
    "wider",
    [
        bent(max=Decimal(6)),
        bent(max=None),
        bent(min=Decimal(0)),
        bent(min=None),
        bent(in_=("a", "b")),
        bent(in_=None),
        bent(prefix="a"),
        bent(prefix="b"),
        bent(prefix=None),
        bent(max_length=4),
        bent(max_length=None),
        replace(BASE, when=()),
        replace(BASE, rate=None),
        replace(BASE, rate=Rate(count=4, per="min")),
        replace(BASE, rate=Rate(count=3, per="hour")),
        replace(BASE, budget=None),
        replace(BASE, budget=Budget(argument="x", max=Decimal(6), per="day")),
        replace(BASE, budget=Budget(argument="y", max=Decimal(5), per="day")),
        replace(BASE, budget=Budget(argument="x", max=Decimal(5), per="month")),
        replace(BASE, approval_above=()),
        replace(BASE, approval_above=(("x", Decimal(3)),)),
        replace(BASE, approval_above=(("y", Decimal(2)),)),
        replace(BASE, approval_by=()),
        replace(BASE, approval_by=("lee", "mo", "x")),
        replace(BASE, approval_by=("x",)),
        replace(BASE, approval_quorum=1),
        replace(BASE, first_use="auto"),
        replace(BASE, ttl=None),
        replace(BASE, ttl=Micros(2 * DAY)),
    ],
)
def test_each_loosening_widens(wider: Rule) -> None:
    assert list(rule_widens(BASE, wider))


BARE = Rule(action=ACTION, when=BASE.when)


@pytest.mark.parametrize(
    "limit",
    [{"rate": BASE.rate}, {"budget": BASE.budget}, {"approval_above": BASE.approval_above}, {"first_use": "auto"}],
)
def test_a_first_limit_widens_because_it_takes_the_place_of_a_person(limit: dict[str, Any]) -> None:
    assert list(rule_widens(BARE, replace(BARE, **limit)))
    # Beside another limit it only narrows, but for starting by itself.
    beside = list(rule_widens(replace(BARE, rate=BASE.rate), replace(BARE, **({"rate": BASE.rate} | limit))))
    assert bool(beside) == ("first_use" in limit)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((("lee", "mo"), 2), (("eve",), 1)), ((("lee", "mo"), 1), ((), 1)),
        (((), 2), ((), 1)), (((), 1), (("eve",), 1)),
    ],
)  # fmt: skip
def test_who_may_let_data_out_is_changed_by_a_person_also_where_no_threshold_asks_for_one(
    before: tuple[tuple[str, ...], int], after: tuple[tuple[str, ...], int]
) -> None:
    """These people are asked for what a run would carry out: whoever writes boundaries would name themselves."""
    old, new = (
        replace(BASE, approval_above=(), approval_by=by, approval_quorum=quorum) for by, quorum in (before, after)
    )
    assert list(rule_widens(old, new)) == ["others may approve, or fewer of them"]
