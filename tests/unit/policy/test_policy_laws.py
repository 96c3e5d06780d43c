"""Laws of a decision, over generated boundaries, arguments and worlds."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.access.model import Bound, Budget, Rate, Rule
from remit.freezes.model import FreezeKind
from remit.kernel.canonical import canonical, encode
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ActionName
from remit.policy.constraints import counted, violations
from remit.policy.model import Code, Proposal
from remit.policy.permit import permit
from remit.policy.record import decision_fields
from remit.policy.shape import Unreadable, read, shape_of
from remit.policy.slices import context
from remit.storage.model import Reserve

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

LAW = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
AGREEMENT = settings(max_examples=examples(2000), deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Few values, so that bounds and arguments meet often, at their edges.
NUMBERS = st.sampled_from(
    [Decimal(text) for text in ("-1.0", "0.0", "0.0001", "1.5", "5.0", "499.9999", "500.00", "500.0001", "900.0")]
) | st.integers(-2, 6).map(lambda whole: whole * 100)
TEXTS = st.sampled_from(["", "EUR", "USD", "eur", "INV-1", "INV-*", "é", "a\nb", 'q"', "INV"])
LIMITS = st.sampled_from([Decimal(text) for text in ("-1", "0", "1.5", "500.00", "500", "0.00005", "1e20", "-1e20")])
OPTIONS = st.lists(TEXTS | LIMITS | st.booleans(), min_size=1, max_size=3).map(tuple)
VALUES = NUMBERS | TEXTS | st.booleans() | st.none() | st.lists(TEXTS, max_size=2)
ARGUMENTS = st.fixed_dictionaries(
    {"amount": NUMBERS, "currency": TEXTS},
    optional={
        "to": TEXTS,
        "note": TEXTS | st.none(),
        "count": st.integers(-3, 600),
        "urgent": st.booleans(),
        "tags": st.lists(TEXTS, max_size=3),
        "anything": VALUES,
    },
)
SOME_FORBID = '@id("f") forbid (principal, action, resource) when { context.run == "x" };'
NAMES = st.sampled_from(["amount", "currency", "to", "note", "count", "urgent", "tags", "anything"])


@st.composite
def bounds(draw: st.DrawFn) -> Bound:
    kind = draw(st.sampled_from(["number", "in", "prefix", "max_length"]))
    argument = draw(NAMES)
    if kind == "number":
        return Bound(argument=argument, max=draw(LIMITS | st.none()), min=draw(LIMITS | st.none()))
    if kind == "in":
        return Bound(argument=argument, in_=draw(OPTIONS))
    if kind == "prefix":
        return Bound(argument=argument, prefix=draw(TEXTS))
    return Bound(argument=argument, max_length=draw(st.integers(0, 4)))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    return Rule(
        first_use="auto",
        action=ActionName("payments/transfer"),
        when=tuple(draw(st.lists(bounds(), max_size=3))),
        rate=draw(st.none() | st.integers(1, 3).map(lambda n: Rate(count=n, per="min"))),
        budget=draw(st.none() | LIMITS.map(lambda most: Budget(argument="amount", max=abs(most), per="day"))),
        approval_above=draw(st.sampled_from([(), (("amount", Decimal(250)),)])),
    )


def naive(rule: Rule, arguments: dict[str, Any]) -> bool:
    """The bounds once more, written from the design's sentence and nothing else."""
    return all(_inside(bound, arguments.get(bound.argument)) for bound in rule.when) and (
        (rule.budget is None and not rule.approval_above) or bool(arguments["amount"] >= 0)
    )


def _inside(bound: Bound, value: Any) -> bool:
    words = [
        bound.max is None or (_numeric(value) and value <= bound.max),
        bound.min is None or (_numeric(value) and value >= bound.min),
        bound.in_ is None or all(_one_of(bound.in_, v) for v in (value if isinstance(value, list) else [value])),
        bound.prefix is None or (isinstance(value, str) and value[: len(bound.prefix)] == bound.prefix),
        bound.max_length is None or (isinstance(value, str) and len(value) <= bound.max_length),
    ]
    return value is not None and all(words)


def _one_of(options: tuple[Any, ...], value: Any) -> bool:
    kinds = [o for o in options if type(o) is type(value) or (_numeric(o) and _numeric(value))]
    return any(o == value for o in kinds)


def _numeric(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


@AGREEMENT
@given(rule=rules(), arguments=ARGUMENTS)
def test_structure_and_cedar_agree(build: Build, rule: Rule, arguments: dict[str, Any]) -> None:
    boundary, shape = build.boundary(rule), shape_of(build.schema)
    compiled = permit(boundary, rule, server="payments", shape=shape)
    allowed = not violations(rule, arguments)
    assert allowed == naive(rule, arguments)
    proposal = build.ask(build.call(arguments), build.view(boundary))
    assert "incident" not in proposal.facts, (rule, arguments, proposal)
    denial = proposal.answer.denial
    if not allowed:
        assert denial is not None
        assert denial.code is Code.CONSTRAINT_VIOLATED
    else:
        assert denial is None or denial.code in {Code.BUDGET_EXHAUSTED, Code.APPROVAL_REQUIRED}
    assert set(counted(rule)) <= {"amount"}
    assert compiled.policy["annotations"]["id"] == boundary.boundary


@LAW
@given(rule=rules(), arguments=ARGUMENTS, kind=st.sampled_from(FreezeKind), tool=st.sampled_from(["transfer", "ping"]))
def test_a_freeze_is_never_overruled(
    build: Build, rule: Rule, arguments: dict[str, Any], kind: FreezeKind, tool: str
) -> None:
    call = build.method("ping") if tool == "ping" else build.call(arguments)
    names = {
        "agent": "invoice-bot", "instance": "thumbprint-1", "owner": "dana", "server": "payments",
        "tool": call.action, "credential": call.caller.credential, "all": "*",
    }  # fmt: skip
    view = build.view(build.boundary(rule), freezes=[build.freeze(kind, names[kind.value])])
    denial = build.ask(call, view).answer.denial
    assert denial is not None
    assert denial.code is Code.REVOKED


@LAW
@given(
    arguments=ARGUMENTS,
    server=st.sampled_from(["payments", "crm", ""]),
    tool=st.text(max_size=5) | st.sampled_from(["transfer", "delete_all"]),
)
def test_without_a_boundary_everything_is_denied_and_hidden(
    build: Build, arguments: dict[str, Any], server: str, tool: str
) -> None:
    view = build.view(build.boundary(agent="another"), policies="permit (principal, action, resource);")
    for call in (build.call(arguments, tool=tool, server=server), build.method("ping", server=server)):
        denial = build.ask(call, view).answer.denial
        assert denial is not None
        assert denial.code is Code.NOT_VISIBLE


@LAW
@given(rule=rules(), arguments=ARGUMENTS, data=st.data())
def test_widening_a_boundary_never_turns_an_allow_into_a_deny(
    build: Build, rule: Rule, arguments: dict[str, Any], data: st.DataObject
) -> None:
    before = build.ask(build.call(arguments), build.view(build.boundary(rule)))
    wide = _wider(rule, data)
    after = build.ask(build.call(arguments), build.view(build.boundary(wide)))
    assert after.answer.allowed or not before.answer.allowed


def _wider(rule: Rule, data: st.DataObject) -> Rule:
    kept = tuple(bound for bound in rule.when if data.draw(st.booleans()))
    more = tuple(
        dataclasses.replace(
            bound,
            max=None if bound.max is None else bound.max + data.draw(st.sampled_from([0, 1, 1000])),
            min=None if bound.min is None else bound.min - data.draw(st.sampled_from([0, 1, 1000])),
            in_=None if bound.in_ is None else (*bound.in_, *data.draw(OPTIONS)),
        )
        for bound in kept
    )
    return dataclasses.replace(rule, when=more, approval_above=(), rate=None)


@LAW
@given(rule=rules(), arguments=ARGUMENTS, later=st.integers(0, 400))
def test_the_same_inputs_give_the_same_bytes(build: Build, rule: Rule, arguments: dict[str, Any], later: int) -> None:
    call, now = build.call(arguments), Instant(build.NOON + later * DAY)

    def once() -> tuple[Proposal, bytes]:
        view = build.view(
            build.boundary(rule),
            contact=now,
            policies='@id("f") forbid (principal, action, resource) when { context.run == "x" };',
        )
        proposal = build.ask(call, view, now)
        fields, payload = decision_fields(call, proposal, view=view, mac=bytes.hex)
        return proposal, canonical([fields, payload])

    assert once() == once()


@LAW
@given(arguments=ARGUMENTS, rate=st.integers(1, 4), calls=st.integers(1, 8))
def test_no_more_is_let_through_than_the_limit_however_the_mirror_lags(
    build: Build, arguments: dict[str, Any], rate: int, calls: int
) -> None:
    view = build.view(build.boundary(build.rule(rate=build.rate(rate))))
    held, passed = 0, 0
    for _ in range(calls):
        proposal = build.ask(build.call(arguments), view)
        for reserve in (effect for effect in proposal.effects if isinstance(effect, Reserve)):
            if held + reserve.amount <= reserve.limit:
                held += reserve.amount
                passed += 1
                if passed % 2:
                    view.counters.note(reserve, held)
    assert passed == min(rate, calls)


@LAW
@given(arguments=st.dictionaries(NAMES, VALUES | NUMBERS, max_size=6))
def test_what_policies_read_is_typed_or_refused(build: Build, arguments: dict[str, Any]) -> None:
    shape = shape_of(build.schema)
    try:
        values = read(shape, arguments)
    except Unreadable:
        return
    assert set(values) <= set(shape.members)
    assert encode(values)
    assert '"input"' in context(build.call(), values, now=build.NOON)
