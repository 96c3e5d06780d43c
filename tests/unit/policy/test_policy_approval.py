"""When a person must approve: over a threshold, and wherever it cannot be told that a call is not over it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from remit.access.model import Rule
from remit.kernel.names import ActionName
from remit.policy.constraints import above_approval, violations
from remit.policy.model import Code

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

THRESHOLDS = (("amount", Decimal("250.00")), ("count", Decimal(3)))
RULE = Rule(action=ActionName("payments/transfer"), approval_above=THRESHOLDS)


@pytest.mark.parametrize("value", [None, "250", "", True, False, 100.0, [], ["1"], {}, ...])
def test_what_is_no_number_is_over_every_threshold(value: object) -> None:
    """`above_approval` reads what comes from outside: it does not rest on the bounds having been checked first."""
    arguments = {"amount": value, "count": 1}
    if value is ...:
        del arguments["amount"]
    assert above_approval(RULE, arguments) == THRESHOLDS[0]


@pytest.mark.parametrize(
    ("arguments", "over"),
    [
        ({"amount": Decimal("250.00"), "count": 3}, None),
        ({"amount": 250, "count": Decimal("3.0")}, None),
        ({"amount": Decimal("250.0001"), "count": 3}, THRESHOLDS[0]),
        ({"amount": 251, "count": 4}, THRESHOLDS[0]),
        ({"amount": 0, "count": 4}, THRESHOLDS[1]),
        ({"amount": 0}, THRESHOLDS[1]),
    ],
)
def test_over_means_more_than_and_the_first_one_is_named(arguments: dict[str, Any], over: object) -> None:
    assert above_approval(RULE, arguments) == over


def test_a_rule_without_thresholds_asks_nobody() -> None:
    assert above_approval(Rule(action=ActionName("payments/transfer")), {}) is None


@pytest.mark.parametrize("arguments", [{"currency": "EUR"}, {"amount": None}, {"amount": "12"}, {"amount": -1}])
def test_an_argument_that_a_threshold_reads_is_required_and_exact(arguments: dict[str, Any]) -> None:
    rule = Rule(action=ActionName("payments/transfer"), approval_above=THRESHOLDS[:1])
    assert [each.path for each in violations(rule, arguments)] == ["/amount"]


def test_over_the_threshold_a_person_decides(build: Build) -> None:
    view = build.view(build.boundary(build.transfer_rule(approval_above=(("amount", Decimal("250.00")),))))
    assert build.transfer(view, "250.00").answer.allowed
    denial = build.transfer(view, "250.0001").answer.denial
    assert denial is not None
    assert (denial.code, denial.step) == (Code.APPROVAL_REQUIRED, 11)


def test_what_is_critical_needs_a_person_for_each_call_also_once_it_is_in_force(build: Build) -> None:
    """Having been used, or started by its owner's hand, makes no call of it one that nobody looks at."""
    view = build.view(build.boundary(build.transfer_rule(first_use=None)))
    assert view.activations.find(build.key()) is not None
    for _ in range(2):
        denial = build.transfer(view).answer.denial
        assert denial is not None
        assert (denial.code, denial.step) == (Code.APPROVAL_REQUIRED, 11)


@pytest.mark.parametrize("limit", ["first_use", "rate", "budget", "approval_above"])
def test_each_limit_of_the_owners_takes_the_place_of_a_person(build: Build, limit: str) -> None:
    limits = {
        "first_use": "auto", "rate": build.rate(9), "budget": build.budget("9000.00"),
        "approval_above": (("amount", Decimal("250.00")),),
    }  # fmt: skip
    rule = build.transfer_rule(**({"first_use": None} | {limit: limits[limit]}))
    assert build.transfer(build.view(build.boundary(rule))).answer.allowed
