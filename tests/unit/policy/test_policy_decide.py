"""The steps of a decision, one by one, and what each refusal says."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from remit.access.model import BoundaryState, PurposeState
from remit.agents.model import AgentState
from remit.catalog.model import PinState
from remit.freezes.model import FreezeKind
from remit.kernel.clock import DAY, SECOND, Instant
from remit.policy.denial import body
from remit.policy.limits import denial_for, limits_of
from remit.policy.model import Code, Denial, Proposal
from remit.policy.schema import METHODS, PASSING
from remit.policy.view import Counters
from remit.storage.model import ConsumeProof, Release, Reserve

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build


def refusal(proposal: Proposal) -> Denial:
    assert proposal.answer.denial is not None, proposal
    return proposal.answer.denial


def remedy(denial: Denial, kind: str) -> dict[str, Any]:
    return next(dict(each.fields) for each in denial.remedies if each.kind == kind)


def test_a_call_inside_its_boundary_is_allowed_under_its_name(build: Build) -> None:
    answer = build.transfer(build.view()).answer
    assert answer.allowed
    assert (answer.boundary, answer.boundary_version) == ("invoice-bot-payments", 3)


# Step 1 of a decision.
def test_a_stale_view_decides_nothing(build: Build) -> None:
    view = build.view(contact=build.NOON - 5 * SECOND - 1)
    denial = refusal(build.transfer(view))
    assert (denial.code, denial.step, denial.retryable) == (Code.ENFORCEMENT_UNAVAILABLE, 1, True)
    assert build.transfer(build.view(contact=build.NOON - 5 * SECOND)).answer.allowed


# Step 2 of a decision.
def test_hidden_and_unknown_are_the_same_answer(build: Build) -> None:
    view = build.view()
    answers = [
        build.ask(build.call(tool="delete_all"), view),
        build.ask(build.call(tool="no_such_tool"), view),
        build.ask(build.call(tool="transfer", server="crm"), view),
        build.ask(build.call(agent="nobody"), view),
        build.ask(build.method("ping", server="crm"), view),
    ]
    assert all(answer.answer == answers[0].answer for answer in answers)
    assert refusal(answers[0]).code is Code.NOT_VISIBLE


def test_what_is_hidden_stays_hidden_under_a_freeze_and_for_a_suspended_agent(build: Build) -> None:
    view = build.view(agent=build.agent(state=AgentState.SUSPENDED), freezes=[build.freeze(FreezeKind.ALL, "*")])
    assert refusal(build.ask(build.call(tool="delete_all"), view)).code is Code.NOT_VISIBLE


@pytest.mark.parametrize("state", [state for state in BoundaryState if state is not BoundaryState.ACTIVE])
def test_only_an_active_boundary_makes_anything_visible(build: Build, state: BoundaryState) -> None:
    view = build.view(build.boundary(state=state))
    assert refusal(build.transfer(view)).code is Code.NOT_VISIBLE


def test_another_agents_boundary_grants_nothing(build: Build) -> None:
    view = build.view(build.boundary(agent="other-bot"))
    assert refusal(build.transfer(view)).code is Code.NOT_VISIBLE


# Step 3 of a decision.
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FreezeKind.ALL, "*"),
        (FreezeKind.SERVER, "payments"),
        (FreezeKind.AGENT, "invoice-bot"),
        (FreezeKind.INSTANCE, "thumbprint-1"),
    ],
)
def test_a_freeze_stops_tools_and_methods(build: Build, kind: FreezeKind, name: str) -> None:
    view = build.view(freezes=[build.freeze(kind, name)])
    for call in (build.call(), build.method("tools/list"), build.method("ping")):
        denial = refusal(build.ask(call, view))
        assert (denial.code, denial.step, denial.cause) == (Code.REVOKED, 3, "frz_1")


def test_a_freeze_on_another_stops_nothing_here(build: Build) -> None:
    freezes = [build.freeze(FreezeKind.AGENT, "other-bot"), build.freeze(FreezeKind.SERVER, "crm")]
    assert build.transfer(build.view(freezes=freezes)).answer.allowed


# Step 4 of a decision.
@pytest.mark.parametrize("state", [state for state in AgentState if state is not AgentState.ACTIVE])
def test_an_agent_that_is_not_active_does_nothing(build: Build, state: AgentState) -> None:
    denial = refusal(build.transfer(build.view(agent=build.agent(state=state))))
    assert (denial.code, denial.step) == (Code.AGENT_SUSPENDED, 4)


def test_an_agent_past_its_end_does_nothing(build: Build) -> None:
    view = build.view(agent=build.agent(not_after=build.NOON))
    assert refusal(build.transfer(view)).code is Code.AGENT_SUSPENDED


def test_an_agent_without_an_active_owner_does_nothing(build: Build) -> None:
    owner = next(iter(build.view().owners.values()))
    for owners in ([], [dataclasses.replace(owner, active=False)]):
        assert refusal(build.transfer(build.view(owners=owners))).code is Code.AGENT_SUSPENDED


@pytest.mark.parametrize("changes", [{"state": PurposeState.CLOSED}, {"state": PurposeState.PROPOSED}, {"ended": True}])
def test_a_purpose_that_is_not_open_is_closed(build: Build, changes: dict[str, Any]) -> None:
    changes = {"not_after": build.NOON} if "ended" in changes else changes
    view = build.view(purposes=[build.purpose(**changes)])
    assert refusal(build.transfer(view)).code is Code.PURPOSE_CLOSED
    assert refusal(build.transfer(build.view(purposes=[]))).code is Code.PURPOSE_CLOSED


def test_a_purpose_that_is_not_the_agents_is_a_mismatch(build: Build) -> None:
    view = build.view(agent=build.agent(purposes=("report",)))
    assert refusal(build.transfer(view)).code is Code.PURPOSE_MISMATCH


def test_an_action_outside_the_purpose_says_which_purpose_would_do(build: Build) -> None:
    denial = refusal(build.ask(build.call(purpose="report"), build.view()))
    assert (denial.code, denial.step) == (Code.PURPOSE_MISMATCH, 4)
    assert remedy(denial, "alternative_action") == {"action": "request_token", "scope": "purpose:pay-invoices"}


def test_an_action_of_the_purpose_that_no_boundary_covers_for_it_is_not_granted(build: Build) -> None:
    denial = refusal(build.ask(build.call({}, tool="list_invoices", purpose="report"), build.view()))
    assert (denial.code, denial.step) == (Code.NOT_GRANTED, 8)


# Step 5 of a decision.
@pytest.mark.parametrize("state", [state for state in PinState if state is not PinState.APPROVED])
def test_a_tool_that_is_not_as_approved_cannot_be_called(build: Build, state: PinState) -> None:
    view = build.view(servers=[build.server(build.tool(state=state))])
    denial = refusal(build.transfer(view))
    assert (denial.code, denial.step) == (Code.TOOL_DEFINITION_CHANGED, 5)


def test_a_visible_tool_that_the_server_no_longer_has_counts_as_changed(build: Build) -> None:
    view = build.view(servers=[build.server(build.tool("list_invoices"))])
    assert refusal(build.transfer(view)).code is Code.TOOL_DEFINITION_CHANGED


# Step 6 of a decision.
@pytest.mark.parametrize(
    ("arguments", "path", "constraint"),
    [
        ({"currency": "EUR"}, "/amount", "required"),
        ({"amount": "500", "currency": "EUR"}, "/amount", "type"),
        ({"amount": Decimal("1E+2"), "currency": "EUR"}, "/amount", "exact"),
        ({"amount": Decimal("1E0"), "currency": "EUR"}, "/amount", "exact"),
        ({"amount": Decimal("1.00001"), "currency": "EUR"}, "/amount", "exact"),
        ({"amount": 10**18, "currency": "EUR"}, "/amount", "exact"),
        ({"amount": 10**15, "currency": "EUR"}, "/amount", "exact"),
        ({"amount": 1.5, "currency": "EUR"}, "/amount", "exact"),
        ({"amount": 1, "currency": "EUR", "anything": [{"deep": [Decimal("1E-9")]}]}, "/anything/0/deep/0", "exact"),
        ({"amount": 1, "currency": "EUR", "extra": 1}, "/extra", "additionalProperties"),
        ({"amount": 1, "currency": "EUR", "payee": {"name": "x", "more": 1}}, "/payee/more", "additionalProperties"),
        ({"amount": 1, "currency": "EUR", "a/b~c": 1}, "/a~1b~0c", "additionalProperties"),
    ],
)
def test_arguments_that_do_not_fit_say_where(
    build: Build, arguments: dict[str, Any], path: str, constraint: str
) -> None:
    denial = refusal(build.ask(build.call(arguments), build.view()))
    assert (denial.code, denial.step) == (Code.INVALID_ARGUMENTS, 6)
    assert [(each.path, each.constraint) for each in denial.violations] == [(path, constraint)]


@pytest.mark.parametrize("amount", [Decimal("0.0001"), Decimal("-0"), 0, 7, Decimal("5.0"), Decimal("499.9999")])
def test_exact_numbers_pass(build: Build, amount: Decimal | int) -> None:
    assert build.ask(build.call({"amount": amount, "currency": "EUR"}), build.view()).answer.allowed


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "file:///etc/passwd"},
        {"$schema": "http://example.com/unknown", "type": "object"},
        {"type": "no such type"},
        "no schema at all",
    ],
)
def test_a_pinned_schema_that_cannot_be_used_denies_every_call(build: Build, schema: Any) -> None:
    view = build.view(servers=[build.server(build.tool(schema=schema))])
    denial = refusal(build.transfer(view))
    assert (denial.code, denial.step) == (Code.INVALID_ARGUMENTS, 6)


# Step 7 of a decision.
def test_a_forbid_wins_over_a_boundary_and_tells_its_id_and_title_only(build: Build) -> None:
    text = '@id("no-night") @title("No transfers now") forbid (principal, action, resource) when { true };'
    denial = refusal(build.transfer(build.view(policies=text)))
    assert (denial.code, denial.step, denial.policy) == (Code.FORBIDDEN_BY_POLICY, 7, "no-night")
    told = json.dumps(body(denial, call=build.call(), decision_id="dec_1", epoch=1, evaluated_at=0, docs="/d"))
    assert "No transfers now" in told
    assert "when" not in told


def test_a_forbid_comes_before_a_violated_bound(build: Build) -> None:
    text = '@id("small") forbid (principal, action in Remit::Action::"tier:critical", resource) when { context.input has amount && context.input.amount.greaterThan(decimal("600.0")) };'  # noqa: E501 - one policy
    view = build.view(policies=text)
    assert refusal(build.transfer(view, "601.00")).code is Code.FORBIDDEN_BY_POLICY
    assert refusal(build.transfer(view, "599.00")).code is Code.CONSTRAINT_VIOLATED
    assert build.transfer(view, "499.00").answer.allowed


def test_a_forbid_comes_before_not_granted(build: Build) -> None:
    view = build.view(policies='@id("all") forbid (principal, action, resource);')
    denial = refusal(build.ask(build.call({}, tool="list_invoices", purpose="report"), view))
    assert denial.code is Code.FORBIDDEN_BY_POLICY


def test_policies_speak_about_methods_too(build: Build) -> None:
    view = build.view(
        policies='@id("quiet") forbid (principal, action == Remit::Action::"payments:tools/list", resource);'
    )
    assert refusal(build.ask(build.method("tools/list"), view)).code is Code.FORBIDDEN_BY_POLICY
    assert build.ask(build.method("ping"), view).answer.allowed


# Step 8 of a decision.
def test_a_violation_carries_path_limit_actual_unit_and_the_remedy(build: Build) -> None:
    denial = refusal(build.transfer(build.view(), "900.00"))
    assert (denial.code, denial.step) == (Code.CONSTRAINT_VIOLATED, 8)
    (violation,) = denial.violations
    assert (violation.path, violation.constraint, violation.limit) == ("/amount", "max", "500.00")
    assert (violation.actual, violation.unit) == ("900.00", "EUR")
    assert remedy(denial, "change_arguments") == {"path": "/amount", "max": "500.00"}


def test_an_agent_can_lower_the_amount_from_the_denial_alone(build: Build) -> None:
    view, arguments = build.view(), {"amount": Decimal("900.00"), "currency": "EUR"}
    denial = refusal(build.ask(build.call(arguments), view))
    told = body(denial, call=build.call(), decision_id="dec_1", epoch=1, evaluated_at=0, docs="/d")
    change = next(each for each in told["remedies"] if each["kind"] == "change_arguments")
    arguments[change["path"].lstrip("/")] = Decimal(change["max"])
    assert build.ask(build.call(arguments), view).answer.allowed


def test_every_violated_bound_is_told(build: Build) -> None:
    denial = refusal(build.transfer(build.view(), "900.00", currency="USD"))
    assert [each.path for each in denial.violations] == ["/amount", "/currency"]
    assert [dict(each.fields) for each in denial.remedies if each.kind == "change_arguments"] == [
        {"path": "/amount", "max": "500.00"},
        {"path": "/currency", "in": ["EUR"]},
    ]


def test_a_bounded_argument_is_required(build: Build) -> None:
    rule = build.rule("payments/transfer", build.bound("note", prefix="INV-"))
    for arguments in ({"amount": 1}, {"amount": 1, "note": None}):
        call = build.call({**arguments, "currency": "EUR"})
        denial = refusal(build.ask(call, build.view(build.boundary(rule))))
        assert [(each.path, each.constraint) for each in denial.violations] == [("/note", "required")]
        assert denial.code is Code.CONSTRAINT_VIOLATED


def test_a_boundary_past_its_end_covers_nothing(build: Build) -> None:
    view = build.view(build.boundary(not_after=build.NOON))
    denial = refusal(build.transfer(view))
    assert (denial.code, denial.step) == (Code.NOT_GRANTED, 8)
    assert build.transfer(build.view(build.boundary(not_after=Instant(build.NOON + 1)))).answer.allowed


def test_the_first_boundary_that_passes_is_charged_in_byte_order(build: Build) -> None:
    rules = (build.transfer_rule(rate=build.rate(5)),)
    view = build.view(build.boundary(*rules, name="b"), build.boundary(*rules, name="a-b"), build.boundary(name="c"))
    proposal = build.transfer(view)
    assert proposal.answer.boundary == "a-b"
    assert [e.key for e in proposal.effects if isinstance(e, Reserve)] == ["rate min a-b payments/transfer"]


def test_a_boundary_that_refuses_does_not_hide_one_that_allows(build: Build) -> None:
    narrow = build.boundary(build.rule("payments/transfer", build.bound(max="10")), name="a")
    assert build.transfer(build.view(narrow, build.boundary(name="b")), "400.00").answer.boundary == "b"


def test_the_denial_that_got_furthest_is_told(build: Build) -> None:
    near = build.boundary(build.rule("payments/transfer", build.bound(max="10")), name="a")
    far = build.boundary(build.transfer_rule(approval_above=(("amount", Decimal(50)),)), name="b")
    assert refusal(build.transfer(build.view(near, far), "400.00")).code is Code.APPROVAL_REQUIRED


# Step 10 of a decision.
def test_limits_become_reservations_in_exact_units(build: Build) -> None:
    rule = build.transfer_rule(rate=build.rate(30), budget=build.budget("5000.00"))
    rate, budget = (e for e in build.transfer(build.view(build.boundary(rule))).effects if isinstance(e, Reserve))
    assert (rate.amount, rate.limit, rate.expires - rate.window) == (1, 30, 60 * SECOND)
    assert (budget.amount, budget.limit, budget.expires - budget.window) == (1_255_000, 50_000_000, DAY)
    assert budget.window % DAY == 0
    assert rate.key == "rate min invoice-bot-payments payments/transfer"
    assert budget.key == "budget day invoice-bot-payments payments/transfer amount"


def test_a_spent_budget_is_refused_without_an_effect_and_says_what_is_left(build: Build) -> None:
    boundary = build.boundary(build.transfer_rule(budget=build.budget("1300.00")))
    counters, view = Counters(), build.view(boundary)
    (reserve,) = (e for e in build.transfer(view, "500.00").effects if isinstance(e, Reserve))
    counters.note(reserve, 10_000_000)
    view = dataclasses.replace(view, counters=counters)
    proposal = build.transfer(view, "400.00")
    denial = refusal(proposal)
    assert (denial.code, denial.step) == (Code.BUDGET_EXHAUSTED, 10)
    assert [type(effect) for effect in proposal.effects] == [ConsumeProof]
    assert remedy(denial, "change_arguments") == {"path": "/amount", "max": "300.00"}
    assert remedy(denial, "wait") == {"retry_after": 12 * 3600}
    assert "300.00 is left" in denial.title
    assert build.transfer(view, "300.00").answer.allowed


def test_a_release_gives_the_budget_back_here_too(build: Build) -> None:
    boundary = build.boundary(build.transfer_rule(budget=build.budget("500.00")))
    view = build.view(boundary)
    (reserve,) = (e for e in build.transfer(view, "500.00").effects if isinstance(e, Reserve))
    view.counters.note(reserve, reserve.amount)
    assert not build.transfer(view, "1.00").answer.allowed
    view.counters.release(Release(reserve.key, reserve.window, reserve.amount))
    assert build.transfer(view, "1.00").answer.allowed


def test_an_old_window_does_not_count(build: Build) -> None:
    view = build.view(build.boundary(build.transfer_rule(rate=build.rate(1))))
    (reserve,) = (e for e in build.transfer(view).effects if isinstance(e, Reserve))
    view.counters.note(reserve, 1)
    assert refusal(build.transfer(view)).code is Code.RATE_LIMITED
    assert build.transfer(
        dataclasses.replace(view, contact=lambda: reserve.expires), now=reserve.expires
    ).answer.allowed


def test_a_negative_amount_cannot_give_a_budget_back(build: Build) -> None:
    view = build.view(build.boundary(build.rule("payments/transfer", budget=build.budget("500.00"))))
    denial = refusal(build.transfer(view, "-5.00"))
    assert [(each.constraint, each.limit) for each in denial.violations] == [("min", "0")]


def test_an_amount_no_budget_fits_is_not_worth_waiting_for(build: Build) -> None:
    view = build.view(build.boundary(build.rule("payments/transfer", budget=build.budget("500.00"))))
    denial = refusal(build.transfer(view, "500.01"))
    assert (denial.code, denial.retryable) == (Code.BUDGET_EXHAUSTED, False)
    assert not [each for each in denial.remedies if each.kind == "wait"]
    assert remedy(denial, "change_arguments") == {"path": "/amount", "max": "500.00"}


def test_a_failed_effect_becomes_the_matching_denial(build: Build) -> None:
    rule = build.transfer_rule(rate=build.rate(30), budget=build.budget("5000.00"))
    call, view = build.call(), build.view(build.boundary(rule))
    proposal = build.ask(call, view)
    proof, rate, budget = proposal.effects
    now = Instant(build.NOON + 5 * SECOND)
    assert denial_for(proof, call, proposal, now).code is Code.REPLAYED_PROOF
    limited = denial_for(rate, call, proposal, now)
    assert (limited.code, limited.retry_after, limited.retryable) == (Code.RATE_LIMITED, 55, True)
    spent = denial_for(budget, call, proposal, now, used=49_000_000)
    assert remedy(spent, "change_arguments") == {"path": "/amount", "max": "100.00"}
    unknown = denial_for(budget, call, proposal, now)
    assert unknown.code is Code.BUDGET_EXHAUSTED
    assert not [each for each in unknown.remedies if each.kind == "change_arguments"]
    stale = denial_for(budget, call, proposal, now, used=0)
    assert not [each for each in stale.remedies if each.kind == "change_arguments"]


# Step 11 of a decision.
def test_a_call_over_the_threshold_needs_a_person(build: Build) -> None:
    rule = build.transfer_rule(rate=build.rate(30), approval_above=(("amount", Decimal("250.00")),))
    view = build.view(build.boundary(rule))
    proposal = build.transfer(view, "250.01")
    denial = refusal(proposal)
    assert (denial.code, denial.step, denial.state) == (Code.APPROVAL_REQUIRED, 11, "none")
    assert [type(effect) for effect in proposal.effects] == [ConsumeProof]
    assert remedy(denial, "change_arguments") == {"path": "/amount", "max": "250.00"}
    assert build.transfer(view, "250.00").answer.allowed
    both = refusal(build.transfer(view, "900.00"))
    assert remedy(both, "change_arguments")["max_without_approval"] == "250.00"


# methods
@pytest.mark.parametrize("method", sorted(PASSING))
def test_what_passes_names_the_first_boundary_there(build: Build, method: str) -> None:
    view = build.view(build.boundary(name="b", version=2), build.boundary(name="a", version=9))
    answer = build.ask(build.method(method), view).answer
    assert answer.allowed
    assert (answer.boundary, answer.boundary_version) == ("a", 9)


@pytest.mark.parametrize("method", [*sorted(METHODS - PASSING), "x/y", "tools/call", "Initialize"])
def test_every_other_method_is_denied(build: Build, method: str) -> None:
    denial = refusal(build.ask(build.method(method), build.view()))
    assert (denial.code, denial.step) == (Code.NOT_GRANTED, 8)


def test_methods_need_a_boundary_that_has_not_ended(build: Build) -> None:
    view = build.view(build.boundary(not_after=build.NOON))
    assert refusal(build.ask(build.method("initialize"), view)).code is Code.NOT_GRANTED


def test_a_method_does_not_need_to_stand_in_the_purpose(build: Build) -> None:
    assert build.ask(build.method("tools/list", purpose="report"), build.view()).answer.allowed


# effects
def test_the_proof_is_consumed_whatever_the_answer(build: Build) -> None:
    view = build.view(freezes=[build.freeze()])
    hidden, frozen = build.ask(build.call(tool="nope"), view), build.transfer(view)
    allowed = build.transfer(build.view())
    for proposal in (hidden, frozen, allowed):
        assert proposal.effects[0] == build.call().proof
    unbound = build.ask(build.call(proof=None), build.view())
    assert unbound.answer.allowed
    assert unbound.effects == ()


def test_limit_keys_tell_kind_unit_boundary_and_action_apart(build: Build) -> None:
    rule = build.transfer_rule(rate=build.rate(1), budget=build.budget("1"))
    keys = {limit.key for name in ("a", "b") for limit in limits_of(build.boundary(name=name), rule)}
    assert len(keys) == 4
