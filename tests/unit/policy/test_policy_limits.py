"""What a call that does not fit is told of the limit, whatever the action is called and whoever handed it on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.names import ActionName
from remit.policy.limits import exhausted, limits_of, reservation

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

    from remit.policy.model import Denial

ACTIONS = st.sampled_from(["payments/transfer", "payments:POST /v1/transfers/{id}", "payments:GET /", "payments/day"])
ARGUMENTS = st.sampled_from(["amount", "the amount", "amount ", " ", "per day", "a/b", "payments/transfer"])
HANDS = st.lists(st.sampled_from(["report-bot run_1 ", "day run_2 "]), max_size=2).map("".join)


def denied(build: Build, action: str, argument: str, hands: str) -> list[Denial]:
    """The denials of a call under a rate of 3 a minute and a budget of 100 a day, counted as `delegated` counts."""
    rule = build.rule(action, rate=build.rate(3), budget=build.budget("100", argument=argument))
    call = replace(build.call(), action=ActionName(action))
    limits = [
        replace(each, key=each.key.replace(" ", f" {hands}", 1)) for each in limits_of(build.boundary(rule), rule)
    ]
    asked = [reservation(each, {argument: Decimal(150)}, now=build.NOON) for each in limits]
    return [exhausted(each, call, now=build.NOON, used=0) for each in asked]


@given(ACTIONS, ARGUMENTS, HANDS)
def test_a_denial_says_the_unit_and_the_argument_of_the_limit(
    build: Build, action: str, argument: str, hands: str
) -> None:
    """Else an agent that does as it is told changes an argument that there is not, and is told of whose hands."""
    rate, budget = denied(build, action, argument, hands)
    assert rate.title == "The rate of 3/min is used up"
    assert budget.title == "The budget of 100.00 per day does not cover 150.00; 100.00 is left"
    change = budget.remedies[0]
    path = "/" + argument.replace("~", "~0").replace("/", "~1")
    assert (change.kind, change.fields["path"], budget.violations[0].path) == ("change_arguments", path, path)
