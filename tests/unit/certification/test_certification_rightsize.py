"""A proposal only narrows, lets pass what it was learned from, and foretells what it would refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.access import spec
from remit.access.draft import Version
from remit.access.expand import Expansion
from remit.access.model import Bound, Boundary, BoundaryState, Budget, Rate, Rule
from remit.access.widen import rule_widens, widenings
from remit.catalog.model import Tier
from remit.certification.rightsizing.document import boundary_document
from remit.certification.rightsizing.generalise import Dial, Scope, bounds
from remit.certification.rightsizing.proposal import Observed, Proposal, Target
from remit.certification.rightsizing.rightsize import cut_at, rightsize
from remit.kernel.clock import DAY, Instant, Micros
from remit.kernel.errors import ConfigInvalid
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName
from remit.policy.constraints import holds, violations

BOT, PAY = AgentName("bot"), PurposeName("pay")
END = Instant(20_000 * DAY)
TARGET = Target(boundary=BoundaryName("bot-pay"), agent=BOT, purpose=PAY, ends=END)
SEND, LIST, BILL = ActionName("bank/send"), ActionName("bank/list"), ActionName("bills/read")
ACTIONS = [SEND, LIST, BILL]


def call(at: int, action: str = SEND, arguments: Mapping[str, Any] | None = None, **more: Any) -> Observed:
    return Observed(agent=BOT, purpose=PAY, action=ActionName(action), at=Instant(at), arguments=arguments or more)


def tier(action: ActionName) -> Tier:
    return {SEND: Tier.CRITICAL, LIST: Tier.LOW}.get(action, Tier.MEDIUM)


def propose(
    calls: Sequence[Observed], boundary: Boundary | None = None, *, cut: int | None = None, **more: Any
) -> Proposal:
    dial = Dial(**{name: more.pop(name) for name in ("scope", "headroom", "values", "bounds") if name in more})
    at = None if cut is None else Instant(cut)
    return rightsize(calls, target=TARGET, boundary=boundary, dial=dial, cut=at, tier=tier, **more)


def when(proposal: Proposal, action: str = SEND) -> dict[str, Any]:
    assert proposal.document is not None
    return next(each.get("when", {}) for each in proposal.document["allow"] if each["action"] == action)


def in_force(rules: Sequence[Rule]) -> Boundary:
    return Boundary(
        boundary=TARGET.boundary,
        version=1,
        agent=BOT,
        purpose=PAY,
        rules={rule.action: rule for rule in rules},
        not_after=END,
        state=BoundaryState.ACTIVE,
        approved_by=OwnerName("dana"),
        approved_at=Instant(1),
    )


# laws ----------------------------------------------------------------------------------------

numbers = st.integers(-2000, 2000) | st.integers(-200_000, 200_000).map(lambda n: Decimal(n).scaleb(-2))
texts = st.sampled_from(["EUR", "USD", "INV-2026-01", "INV-2026-02", "INV-2026-17", "", "x" * 1001, "é\n"])
values = numbers | texts | st.booleans() | st.none() | st.lists(texts | st.integers(0, 3), max_size=3)
arguments = st.dictionaries(st.sampled_from(["amount", "to", "ref"]), values | st.just({"deep": 1}), max_size=3)
calls = st.lists(
    st.builds(
        lambda at, action, said: Observed(agent=BOT, purpose=PAY, action=action, at=Instant(at), arguments=said),
        st.integers(0, 100),
        st.sampled_from(ACTIONS),
        arguments | st.none(),
    ),
    max_size=25,
)
dials = st.builds(
    Dial, scope=st.sampled_from(Scope), headroom=st.integers(0, 200), values=st.integers(1, 8), bounds=st.booleans()
)
limits = st.none() | numbers.map(Decimal)


def ordered(argument: str, low: Decimal | None, high: Decimal | None, **more: Any) -> Bound:
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Bound(argument=argument, min=low, max=high, **more)


old_bounds = st.builds(ordered, st.just("amount"), limits, limits) | st.builds(
    ordered,
    st.sampled_from(["to", "ref"]),
    st.none(),
    st.none(),
    in_=st.none()
    | st.lists(st.sampled_from(["EUR", "USD", True, Decimal(1), Decimal("2.0")]), min_size=1, unique=True).map(tuple),
    prefix=st.none() | st.sampled_from(["INV", "INV-2026-", "E"]),
    max_length=st.none() | st.integers(0, 12),
)
old_bounds = old_bounds.filter(
    lambda bound: any(word is not None for word in (bound.max, bound.min, bound.in_, bound.prefix, bound.max_length))
)
rules = st.builds(
    Rule,
    action=st.sampled_from(ACTIONS),
    when=st.lists(
        old_bounds,
        unique_by=lambda bound: bound.argument,
        max_size=3,
    ).map(tuple),
    rate=st.none() | st.just(Rate(count=30, per="min")),
    budget=st.none() | st.just(Budget(argument="amount", max=Decimal("5000.00"), per="day")),
    approval_above=st.just(()) | st.just((("amount", Decimal(250)),)),
    first_use=st.sampled_from([None, "auto"]),
    ttl=st.sampled_from([None, Micros(7 * DAY), Micros(90_000_000)]),
    cadence=st.sampled_from([None, Micros(30 * DAY)]),
)
boundaries = st.lists(rules, min_size=1, max_size=3, unique_by=lambda rule: rule.action).map(in_force)


@settings(deadline=None)
@given(calls, boundaries, dials, st.integers(0, 101))
def test_a_proposal_never_widens_what_is_in_force(
    made: list[Observed], boundary: Boundary, dial: Dial, cut: int
) -> None:
    found = rightsize(made, target=TARGET, boundary=boundary, dial=dial, cut=Instant(cut), tier=tier)
    if found.draft is None:
        return
    document = boundary_document(boundary.boundary, BOT, PAY, boundary.rules.values(), boundary.not_after)
    active = Version(draft=spec.boundary(document), version=1, state=BoundaryState.ACTIVE, rules=boundary.rules)
    proposed = {ActionName(clause.pattern): clause.rule(ActionName(clause.pattern)) for clause in found.draft.allow}
    expansion = Expansion(rules=proposed, problems=(), waiting=(), unreviewed=())
    assert widenings(active, found.draft, expansion) == []
    assert found.weight_after <= found.weight_before


@settings(deadline=None)
@given(calls, st.none() | boundaries, dials, st.integers(0, 101))
def test_what_was_learned_from_passes(made: list[Observed], boundary: Boundary | None, dial: Dial, cut: int) -> None:
    found = rightsize(made, target=TARGET, boundary=boundary, dial=dial, cut=Instant(cut), tier=tier)
    proposed = {} if found.draft is None else {clause.pattern: clause for clause in found.draft.allow}
    for each in made:
        before = Rule(action=each.action) if boundary is None else boundary.rules.get(each.action)
        said = each.arguments
        if each.at < cut and before is not None and (said is None or not violations(before, said)):
            assert each.action in proposed
            assert said is None or not violations(proposed[each.action].rule(each.action), said)


@settings(deadline=None, max_examples=400)
@given(old_bounds, st.lists(values, min_size=1, max_size=8), dials)
def test_each_bound_gets_narrower_and_no_more(old: Bound, seen: list[Any], dial: Dial) -> None:
    before = Rule(action=SEND, when=(old,))
    said = [{old.argument: value} for value in seen if value is not None and holds(old, value)]
    after = Rule(action=SEND, when=bounds(said, before, dial))
    assert list(rule_widens(before, after)) == []
    assert all(violations(after, each) == () for each in said)


def naive_pass(bound: Bound, value: Any) -> bool:
    """What design.md says of each word, written down once more."""
    numeric = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    if bound.max is not None and not (numeric and value <= bound.max):
        return False
    if bound.min is not None and not (numeric and value >= bound.min):
        return False
    if bound.in_ is not None:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, list) or not any(
                item == option and isinstance(item, bool) == isinstance(option, bool) for option in bound.in_
            ):
                return False
    if bound.prefix is not None and not (isinstance(value, str) and value[: len(bound.prefix)] == bound.prefix):
        return False
    return bound.max_length is None or (isinstance(value, str) and len(value) <= bound.max_length)


@settings(deadline=None)
@given(calls, dials, st.integers(0, 101))
def test_held_out_denials_are_those_of_a_naive_judge(made: list[Observed], dial: Dial, cut: int) -> None:
    found = rightsize(made, target=TARGET, boundary=None, dial=dial, cut=Instant(cut), tier=tier)
    allowed = {} if found.draft is None else {clause.pattern: clause for clause in found.draft.allow}
    expected = []
    for each in sorted((each for each in made if each.at >= cut), key=lambda each: (each.at, each.action)):
        clause = allowed.get(each.action)
        if clause is None:
            expected.append((each.action, each.at, "not_granted"))
        elif each.arguments is not None and not all(
            each.arguments.get(bound.argument) is not None and naive_pass(bound, each.arguments[bound.argument])
            for bound in clause.when
        ):
            expected.append((each.action, each.at, "constraint_violated"))
    assert [(each.action, each.at, each.code) for each in found.refusals] == expected
    assert sum(row.refused for row in found.rows) == len(expected)
    assert (found.learned, found.held) == (sum(c.at < cut for c in made), sum(c.at >= cut for c in made))


@given(calls, st.integers(0, 90))
def test_the_cut_holds_out_the_newest(made: list[Observed], percent: int) -> None:
    cut = cut_at(made, hold_out=percent)
    if cut is None:
        assert percent == 0 or len(made) * percent < 100 or len(made) < 2
        return
    held = sum(each.at >= cut for each in made)
    assert held * 100 >= (len(made) * percent // 100) * 100
    assert min(each.at for each in made if each.at >= cut) == cut


# examples ------------------------------------------------------------------------------------


def test_numbers_get_headroom_and_no_float() -> None:
    found = propose([call(1, amount=Decimal("98.70")), call(2, amount=Decimal("10.05"))], headroom=20)
    assert when(found) == {"amount": {"max": "118.44", "min": "0"}}
    exact = propose([call(1, n=10), call(2, n=7)], scope=Scope.EXACT, headroom=25)
    assert when(exact) == {"n": {"max": "13", "min": "5"}}
    below = propose([call(1, n=-10)], headroom=25)
    assert when(below) == {"n": {"max": "-7", "min": "-13"}}


def test_texts_are_named_where_they_repeat_and_cut_at_a_separator_else() -> None:
    twice = [call(at, to=("EUR", "USD")[at % 2], ref=f"INV-2026-{100 + at}") for at in range(4)]
    assert when(propose(twice)) == {"to": {"in": ["EUR", "USD"]}, "ref": {"prefix": "INV-2026-"}}
    assert when(propose(twice[:2])) == {}
    once = when(propose(twice, scope=Scope.EXACT, values=3))
    assert once == {"to": {"in": ["EUR", "USD"]}, "ref": {"prefix": "INV-2026-10"}}


@pytest.mark.parametrize("scope", [Scope.TOOL, Scope.EXACT])
def test_no_beginning_is_learned_from_a_text_that_steps_up(scope: Scope) -> None:
    def learned(*names: str) -> list[str | None]:
        calls = [{"path": f"/srv/public/{name}"} for name in names]
        return [each.prefix for each in bounds(calls, None, Dial(scope=scope, values=1))]

    assert learned("a", "b", "c") == ["/srv/public/"]
    assert learned("a", "b", "../c") == []


def test_a_list_is_held_to_its_items() -> None:
    sent = [call(1, to=["a@x.test"]), call(2, to=["a@x.test", "b@x.test"]), call(3, to=["b@x.test"])]
    assert when(propose(sent)) == {"to": {"in": ["a@x.test", "b@x.test"]}}


def test_an_argument_that_was_missing_once_is_not_bounded() -> None:
    assert when(propose([call(1, amount=1, to="x"), call(2, amount=2)])) == {"amount": {"max": "3", "min": "0"}}


def test_unknown_arguments_keep_the_action_and_bound_nothing() -> None:
    unknown = Observed(agent=BOT, purpose=PAY, action=SEND, at=Instant(3))
    found = propose([call(1, amount=1), unknown])
    assert (when(found), found.unread) == ({}, 1)


def test_what_is_written_stays_as_it_is_but_narrower() -> None:
    rule = Rule(
        action=SEND,
        when=(Bound(argument="amount", max=Decimal("500.00")), Bound(argument="cur", in_=("USD", "EUR"))),
        rate=Rate(count=30, per="min"),
        budget=Budget(argument="amount", max=Decimal("5000.00"), per="day"),
        approval_above=(("amount", Decimal("250.00")),),
        ttl=Micros(7 * DAY),
    )
    made = [call(at, amount=100, cur="EUR") for at in (1, 2)] + [call(3, amount=900, cur="EUR")]
    found = propose(made, in_force([rule, Rule(action=LIST)]), cut=10)
    assert found.document is not None
    assert found.document["allow"] == [
        {
            "action": SEND,
            "when": {"amount": {"max": "120", "min": "0"}, "cur": {"in": ["EUR"]}},
            "limits": {"rate": "30/min", "budget": {"argument": "amount", "max": "5000.00", "per": "day"}},
            "approval": {"above": {"amount": "250.00"}},
            "ttl": "7d",
        }
    ]
    assert (found.outside, found.weight_before, found.weight_after) == (1, 41, 40)
    assert found.document["not_after"] == "2024-10-03"


def test_denials_say_where_and_why() -> None:
    made = [call(1, amount=10), call(2, amount=10), call(11, amount=13), call(12, LIST)]
    found = propose(made, cut=10)
    assert [(each.action, each.code, [v.path for v in each.violations]) for each in found.refusals] == [
        (SEND, "constraint_violated", ["/amount"]),
        (LIST, "not_granted", []),
    ]
    assert [(row.action, row.learned, row.held, row.kept, row.refused) for row in found.rows] == [
        (LIST, 0, 1, False, 1),
        (SEND, 2, 1, True, 1),
    ]


def test_the_server_dial_keeps_what_is_in_force_on_the_servers_used() -> None:
    boundary = in_force([Rule(action=SEND), Rule(action=LIST), Rule(action=BILL)])
    found = propose([call(1, LIST, amount=1)], boundary, scope=Scope.SERVER)
    assert found.draft is not None
    assert [clause.pattern for clause in found.draft.allow] == [LIST, SEND]
    assert when(found, LIST) == {}
    first = propose([call(1, LIST)], scope=Scope.SERVER, known=ACTIONS)
    assert first.draft is not None
    assert [clause.pattern for clause in first.draft.allow] == [LIST, SEND]


def test_no_bound_that_the_tool_does_not_have() -> None:
    schema = {"type": "object", "properties": {"to": {"type": "string"}}}
    found = propose([call(1, to="x", more=1), call(2, to="x", more=1)], schema=lambda _action: schema)
    assert when(found) == {"to": {"in": ["x"]}}


def test_without_use_there_is_nothing_to_propose() -> None:
    found = propose([], in_force([Rule(action=SEND)]))
    assert (found.draft, found.document, found.weight_before, found.weight_after) == (None, None, 40, 0)


def test_calls_for_another_purpose_teach_nothing() -> None:
    other = replace(call(1), purpose=PurposeName("other"))
    assert propose([other, replace(call(1), agent=AgentName("else"))]).draft is None


def test_more_than_one_boundary_can_name_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="1001 actions"):
        propose([call(1, f"bank/t{number}") for number in range(1001)])


def test_numbers_that_cannot_be_written_are_not_bounded() -> None:
    assert when(propose([call(1, n=10**15)])) == {}
    assert when(propose([call(1, n=10**14 - 1)])) == {}
    assert when(propose([call(1, n=Decimal("1E+3"))])) == {}
