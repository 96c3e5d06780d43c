"""What would have a denied call let through: each way was decided, and what is not a way is not told as one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from remit.agents.model import AgentState
from remit.catalog.model import PinState
from remit.kernel.names import PurposeName
from remit.policy.decide import decide
from remit.policy.model import Call, Denial
from remit.policy.remedied import tried
from remit.policy.view import View
from remit.policy.who import Access, likely, standing
from remit.storage.model import Reserve

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

EURO = '@id("eu") forbid (principal, action in Remit::Action::"server:payments", resource)'
UNLESS = ' unless { context.input has currency && context.input.currency == "EUR" };'


def asked(build: Build, view: View, **parts: Any) -> tuple[Call, Denial]:
    call = build.call(**parts)
    denial = decide(call, view, now=build.NOON).answer.denial
    assert denial is not None
    return call, denial


def ways(build: Build, view: View, **parts: Any) -> dict[str, str | None]:
    """Each way, and the code that it then meets; None where it is allowed."""
    call, denial = asked(build, view, **parts)
    found = tried(call, view, denial, now=build.NOON)
    for each in found:  # nothing is told that the decision does not say
        again = decide(each.way.call, each.way.view, now=each.way.now).answer
        assert again == each.proposal.answer
    return {each.way.what: None if (d := each.proposal.answer.denial) is None else d.code.value for each in found}


def test_an_amount_inside_the_bound(build: Build) -> None:
    found = ways(build, build.view(), arguments={"amount": 900, "currency": "USD"})
    assert found == {"with amount=500.00, currency=EUR": None}


def test_what_it_meets_next_is_told_and_followed_once_more(build: Build) -> None:
    rule = build.transfer_rule(budget=build.budget("300.00"))
    found = ways(build, build.view(build.boundary(rule)), arguments={"amount": 900, "currency": "EUR"})
    assert found["with amount=500.00"] == "budget_exhausted"
    assert found["with amount=500.00, and then with amount=300.00"] is None


def test_other_arguments_past_a_policy_and_the_policy_itself(build: Build) -> None:
    boundary = build.boundary(build.rule("payments/transfer"))
    found = ways(build, build.view(boundary, policies=EURO + UNLESS), arguments={"amount": 5, "currency": "USD"})
    assert found == {"with currency=EUR": None, "were the policy eu not in force": None}


def test_a_policy_that_nothing_passes_has_no_arguments_to_try(build: Build) -> None:
    found = ways(build, build.view(policies=EURO + ";"), arguments={"amount": 5, "currency": "EUR"})
    assert found == {"were the policy eu not in force": None}


def test_a_freeze_an_agent_and_a_tool(build: Build) -> None:
    said: dict[str, Any] = {"arguments": {"amount": 5, "currency": "EUR"}}
    frozen = build.view(freezes=[build.freeze()])
    assert ways(build, frozen, **said) == {"once the freeze of agent invoice-bot is ended": None}
    suspended = build.view(agent=build.agent(state=AgentState.SUSPENDED))
    assert ways(build, suspended, **said) == {"once the agent and its owner are active": None}
    changed = build.view(servers=[build.server(build.tool(state=PinState.CHANGED))])
    assert ways(build, changed, **said) == {"once a person approves the tool as it is now": None}


def test_what_no_boundary_names_and_what_was_never_started(build: Build) -> None:
    rule = build.rule("payments/list_invoices")
    found = ways(build, build.view(build.boundary(rule)), arguments={"amount": 5, "currency": "EUR"})
    assert found == {"once a boundary for pay-invoices names payments/transfer": None}
    lapsed = build.view(build.boundary(replace(build.transfer_rule(), first_use=None)), activations=[])
    call, denial = asked(build, lapsed, arguments={"amount": 5, "currency": "EUR"})
    assert denial.code.value in {"activation_lapsed", "approval_required"}
    assert all(each.way.who for each in tried(call, lapsed, denial, now=build.NOON))


def test_a_boundary_for_what_a_policy_forbids_is_not_told_to_help(build: Build) -> None:
    view = build.view(build.boundary(build.rule("payments/list_invoices")), policies=EURO + ";")
    found = ways(build, view, arguments={"amount": 5, "currency": "EUR"})
    assert found == {"once a boundary for pay-invoices names payments/transfer": "forbidden_by_policy"}


def test_the_rate_comes_back(build: Build) -> None:
    view = build.view(build.boundary(build.transfer_rule(rate=build.rate(1))))
    call = build.call(arguments={"amount": 5, "currency": "EUR"})
    reserve = next(each for each in decide(call, view, now=build.NOON).effects if isinstance(each, Reserve))
    view.counters.note(reserve, 1)
    assert ways(build, view, arguments={"amount": 5, "currency": "EUR"}) == {"in 60 seconds": None}


@pytest.mark.parametrize(
    ("rule", "started", "access"),
    [
        ({}, True, Access.DIRECT),
        ({}, False, Access.LATENT),
        ({"first_use": None}, True, Access.NEEDS_APPROVAL),
    ],
)
def test_who_has_it_now_and_who_once_a_person_says_yes(
    build: Build, rule: dict[str, Any], *, started: bool, access: Access
) -> None:
    view = build.view(build.boundary(build.transfer_rule(**rule)), activations=None if started else [])
    said = likely(view, "invoice-bot", PurposeName("pay-invoices"), "payments/transfer")
    call = build.call(arguments=said)
    found = standing(call, view, decide(call, view, now=build.NOON))
    assert (found.access, found.boundary, found.version) == (access, "invoice-bot-payments", 3), found


def test_arguments_of_ones_own_may_be_outside(build: Build) -> None:
    view = build.view()
    call = build.call(arguments={"amount": 900, "currency": "EUR"})
    found = standing(call, view, decide(call, view, now=build.NOON))
    assert (found.access, found.code) == (Access.OUTSIDE_LIMITS, "constraint_violated")


def test_what_was_tried_without_another_policy_is_not_taken_for_this_one(build: Build) -> None:
    """The engine's parsed slices outlive a change of policies, and a second question."""
    said: dict[str, Any] = {"arguments": {"amount": 5, "currency": "EUR"}}
    alone = build.view(policies=EURO + ";")
    assert ways(build, alone, **said) == {"were the policy eu not in force": None}
    both = build.view(policies=f"{EURO};{EURO.replace('eu', 'more')};").organisation
    changed = replace(alone, organisation=replace(both, serial=alone.organisation.serial + 1))
    assert ways(build, changed, **said) == {"were the policy eu not in force": "forbidden_by_policy"}
