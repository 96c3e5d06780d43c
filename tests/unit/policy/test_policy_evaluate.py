"""The second reader of Cedar against Cedar itself: never wider, and as wide where boundaries are concerned."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.thorough import examples
from tests.unit.policy.conftest import END, NOON, TRANSFER_SCHEMA, Build
from tests.unit.policy.test_policy_laws import ARGUMENTS, NAMES, VALUES, rules

from remit.access.model import Bound, Rule
from remit.kernel.clock import SECOND
from remit.policy import schema as cedar_schema
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.evaluate import Test, Unsure
from remit.policy.organisation import read as read_organisation
from remit.policy.permit import cedar_time, permit
from remit.policy.ports import Ruling, Slice, Verdict
from remit.policy.shape import Unreadable, read, shape_of
from remit.policy.slices import Slices, Subject, context

ENGINE = CedarEngine()
SHAPE = shape_of(TRANSFER_SCHEMA)
ACTION = "payments/transfer"
SCHEMA = cedar_schema.for_action(ACTION, cedar_schema.groups_of("payments", None), SHAPE)
PARSED = ENGINE.schema(SCHEMA)
REQUEST = {
    "principal": {"type": cedar_schema.AGENT, "id": "invoice-bot"},
    "action": {"type": cedar_schema.ACTION, "id": ACTION},
    "resource": {"type": cedar_schema.SERVER, "id": "payments"},
}
ENTITIES = ENGINE.entities([], PARSED)
ALLOWED = Verdict(Ruling.ALLOW, ("own",), ())
MANY = settings(max_examples=examples(3000), deadline=None, suppress_health_check=[HealthCheck.too_slow])

CONTEXT: dict[str, Any] = {
    "input": {"amount": "1.5", "currency": "EUR", "count": 3, "urgent": True, "tags": ["INV"], "payee": {"name": "x"}},
    "purpose": {"type": cedar_schema.PURPOSE, "id": "pay-invoices"},
    "run": "run_1",
    "instance": "i",
    "now": cedar_time(NOON),
}


def cedar(policy: dict[str, Any], said: str, request: dict[str, Any] = REQUEST) -> Verdict:
    try:
        return ENGINE.ask(Slice(ENGINE.policies({"own": policy}), ENTITIES, PARSED, request), said)
    except ValueError as error:  # a request that cannot even be built
        return Verdict(Ruling.NONE, (), (str(error),))


def read_back(policy: dict[str, Any]) -> dict[str, Any]:
    (own,) = ENGINE.read(ENGINE.text({"own": policy}))["staticPolicies"].values()
    found: dict[str, Any] = own
    return found


@MANY
@given(rule=rules(), arguments=ARGUMENTS, later=st.sampled_from([-2, -1, 0, 1, 999, 1000]), purpose=st.booleans())
def test_a_permit_of_a_boundary_is_read_as_cedar_reads_it(
    build: Build,
    rule: Rule,
    arguments: dict[str, Any],
    later: int,
    purpose: bool,  # noqa: FBT001 - a parameter
) -> None:
    policy = permit(build.boundary(rule), rule, server="payments", shape=SHAPE).policy
    test = Test(read_back(policy), SCHEMA)
    call = build.call(arguments, purpose="pay-invoices" if purpose else "report")
    try:
        values = read(SHAPE, arguments)
    except Unreadable:
        return
    said = context(call, values, now=END + later if later else NOON)  # type: ignore[arg-type]
    judged = cedar(policy, said) == ALLOWED
    event(f"allowed: {judged}")
    assert test.allows(REQUEST, json.loads(said)) is judged, (rule, said)


def test_a_permit_comes_back_from_its_own_text_as_it_went(build: Build) -> None:
    rule = build.transfer_rule()
    policy = permit(build.boundary(rule), rule, server="payments", shape=SHAPE).policy
    assert read_back(policy) == policy


JSON = st.recursive(
    VALUES.map(lambda value: str(value) if isinstance(value, Decimal) else value)
    | st.sampled_from([2**63, -(2**63), 2**63 - 1, 1.5, "1.50000", "1e3", "+1.0", "01.5", "922337203685477.5808"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES | st.just("type") | st.just("id"), inner),
    max_leaves=4,
)


@MANY
@given(rule=rules(), data=st.data())
def test_whatever_the_context_nothing_is_allowed_that_cedar_does_not(
    build: Build, rule: Rule, data: st.DataObject
) -> None:
    policy = permit(build.boundary(rule), rule, server="payments", shape=SHAPE).policy
    said: dict[str, Any] = json.loads(json.dumps(CONTEXT))
    for _ in range(data.draw(st.integers(1, 2))):
        where = data.draw(st.sampled_from([said, said["input"] if isinstance(said.get("input"), dict) else said]))
        name = data.draw(st.sampled_from(sorted({*where, *CONTEXT["input"], *CONTEXT, "to", "note", "more"})))
        if data.draw(st.booleans()):
            where.pop(name, None)
        else:
            where[name] = data.draw(JSON)
    if Test(policy, SCHEMA).allows(REQUEST, said):
        assert cedar(policy, json.dumps(said)) == ALLOWED, (rule, said)


@pytest.mark.parametrize("name", ["principal", "action", "resource"])
def test_another_request_is_not_for_this_permit(build: Build, name: str) -> None:
    rule = build.rule(ACTION)
    test = Test(permit(build.boundary(rule), rule, server="payments", shape=SHAPE).policy, SCHEMA)
    assert test.allows(REQUEST, CONTEXT)
    assert not test.allows(REQUEST | {name: {"type": REQUEST[name]["type"], "id": "another"}}, CONTEXT)
    assert not test.allows(REQUEST | {name: {"type": "Remit::Other", "id": REQUEST[name]["id"]}}, CONTEXT)


SCOPE = 'principal == Remit::Agent::"invoice-bot", action == Remit::Action::"payments/transfer", resource == Remit::Server::"payments"'  # noqa: E501 - one scope


@pytest.mark.parametrize(
    ("condition", "allows"),
    [
        ("context.input.count == 3", True),
        ("context.input.count == true", False),
        ("context.input.urgent == 1", False),
        ("[1].contains(context.input.urgent)", False),
        ("[true].contains(context.input.urgent)", True),
        ("context.input.count > 2", True),
        ('context.input.amount.greaterThan(decimal("1.4999"))', True),
        ('context.input.amount.lessThan(decimal("1.5"))', False),
        ('context.input.payee.name == "x"', True),
        ("context.input has note", False),
        ('context.run like "run*"', True),
        ('context.now >= datetime("2026-11-24T12:00:00.000Z")', True),
    ],
)  # fmt: skip
def test_a_condition_is_read_as_cedar_reads_it(condition: str, *, allows: bool) -> None:
    (policy,) = ENGINE.read(f"permit ({SCOPE}) when {{ {condition} }};")["staticPolicies"].values()
    assert Test(policy, SCHEMA).allows(REQUEST, CONTEXT) is allows
    assert (cedar(policy, json.dumps(CONTEXT)) == ALLOWED) is allows


@pytest.mark.parametrize(
    "text",
    [
        f"forbid ({SCOPE});",
        f'permit ({SCOPE}) unless {{ context.run == "x" }};',
        "permit (principal, action, resource);",
        'permit (principal in Remit::Owner::"dana", action, resource);',
        f"permit ({SCOPE}) when {{ context.input.count + 1 == 4 }};",
        f'permit ({SCOPE}) when {{ context.input.count == 3 || context.run == "x" }};',
        f'permit ({SCOPE}) when {{ context.run like "*run" }};',
        f'permit ({SCOPE}) when {{ principal.version == "1" }};',
        f'permit ({SCOPE}) when {{ context.now.toDate() == datetime("2026-11-24") }};',
    ],
)  # fmt: skip
def test_what_is_not_known_here_is_left_to_cedar(text: str) -> None:
    (policy,) = ENGINE.read(text)["staticPolicies"].values()
    with pytest.raises(Unsure):
        Test(policy, SCHEMA)


def test_a_type_that_the_schema_does_not_have_is_left_to_cedar() -> None:
    (policy,) = ENGINE.read(f"permit ({SCOPE});")["staticPolicies"].values()
    odd = json.loads(json.dumps(SCHEMA))
    odd["Remit"]["actions"][ACTION]["appliesTo"]["principalTypes"] = ["Owner"]
    with pytest.raises(Unsure):
        Test(policy, odd)
    with pytest.raises(Unsure):
        Test(policy, {**SCHEMA, "Other": SCHEMA["Remit"]})


# The engine around it -----------------------------------------------------------------------------


class Judge(CedarEngine):
    """Cedar, counting what it is asked, and lying when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.lie: Verdict | None = None

    def ask(self, question: Slice, said: str) -> Verdict:
        self.asked += 1
        return self.lie or super().ask(question, said)


class Asking:
    """One slice of a compiled engine, asked again and again."""

    def __init__(self, build: Build, *, policies: str = "", rule: Rule | None = None) -> None:
        self.judge = Judge()
        self.engine = CompiledEngine(self.judge)
        view = build.view(build.boundary(*([rule] if rule else [])))
        (grant, *_) = view.agents["invoice-bot"].reach.grants["pay-invoices", ACTION]  # type: ignore[index]
        server = view.servers["payments"]  # type: ignore[index]
        tool = server.tools["transfer"]  # type: ignore[index]
        self._subject = Subject(view.agents["invoice-bot"], view.purposes["pay-invoices"], server, tool, ACTION)  # type: ignore[index]
        self._organisation = read_organisation({"o.cedar": policies} if policies else {}, ENGINE, serial=1)
        self._slices, self._grant, self._build = Slices(self.engine), grant, build

    def ask(self, amount: str = "5.0", now: int = NOON) -> Verdict:
        said = context(self._build.call(), {"amount": amount, "currency": "EUR"}, now=now)  # type: ignore[arg-type]
        return self._slices.ask(self._subject, self._organisation, self._grant, said)[0]


ALLOW = Verdict(Ruling.ALLOW, ("boundary invoice-bot-payments",), ())


def test_after_the_first_questions_an_allow_needs_no_engine(build: Build) -> None:
    asking = Asking(build)
    assert [asking.ask() for _ in range(10)] == [ALLOW] * 10
    assert asking.judge.asked == 2


def test_a_deny_is_always_cedars(build: Build) -> None:
    asking = Asking(build)
    for _ in range(5):
        assert asking.ask("500.0001") == Verdict(Ruling.DENY, (), ())
        assert asking.ask(now=END) == Verdict(Ruling.DENY, (), ())
    assert asking.judge.asked == 10


@pytest.mark.parametrize("policies", ['@id("f") forbid (principal, action, resource) when { context.run == "x" };',
                                      '@id("p") permit (principal, action, resource);'])  # fmt: skip
def test_where_the_organisation_has_a_say_cedar_is_asked(build: Build, policies: str) -> None:
    asking = Asking(build, policies=policies)
    for _ in range(5):
        assert asking.ask().ruling is Ruling.ALLOW
    assert asking.judge.asked == 5


def test_cedar_is_asked_once_in_so_many_all_the_same(build: Build) -> None:
    asking = Asking(build)
    assert {asking.ask() for _ in range(600)} == {ALLOW}
    assert asking.judge.asked == 2 + 2


def test_once_they_differ_that_call_is_refused_and_cedar_alone_is_asked(build: Build) -> None:
    asking, other = Asking(build), Asking(build)
    for _ in range(255):
        assert asking.ask() == ALLOW
    asking.judge.lie = Verdict(Ruling.DENY, (), ())
    assert asking.ask().errors
    assert not asking.engine.trusted
    assert asking.ask() == asking.judge.lie
    asking.judge.lie = None
    before = asking.judge.asked
    assert asking.ask() == ALLOW
    assert asking.judge.asked == before + 1
    assert other.engine.trusted


def test_a_permit_that_cannot_be_read_is_left_to_cedar(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(build, rule=build.rule(ACTION, Bound(argument="currency", in_=("EUR",))))
    monkeypatch.setattr(Judge, "text", lambda *_: f"permit ({SCOPE}) unless {{ false }};")
    assert [asking.ask() for _ in range(5)] == [ALLOW] * 5
    assert asking.judge.asked == 5


def test_a_second_is_not_a_millisecond(build: Build) -> None:
    """The end is compared to the millisecond, as the permit says it."""
    asking = Asking(build)
    for _ in range(3):
        assert asking.ask(now=END - SECOND // 1000) == ALLOW
        assert asking.ask(now=END).ruling is Ruling.DENY
