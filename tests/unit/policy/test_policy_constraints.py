"""How a value is compared with what a boundary names: as JSON has it, not as Python does."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from remit.access.model import Bound
from remit.policy.constraints import same
from remit.policy.model import Code

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build


@pytest.mark.parametrize(
    ("value", "option", "equal"),
    [
        (True, True, True),
        (False, False, True),
        (True, False, False),
        (1, True, False),
        (0, False, False),
        (Decimal(1), True, False),
        (True, Decimal(1), False),
        (False, Decimal(0), False),
        ("true", True, False),
        (None, False, False),
        (1, Decimal("1.0"), True),
        ("1", Decimal(1), False),
        ("a", "a", True),
    ],
)
def test_equality_is_that_of_json(value: object, option: Any, equal: bool) -> None:  # noqa: FBT001 - a case
    assert same(value, option) is equal


@pytest.mark.parametrize(
    ("argument", "value", "option", "allowed"),
    [
        ("urgent", True, True, True),
        ("anything", 1, True, False),
        ("anything", True, Decimal(1), False),
        ("anything", 0, False, False),
        ("count", 1, Decimal(1), True),
    ],
)
def test_a_bound_on_a_boolean_lets_no_number_through(
    build: Build,
    argument: str,
    value: object,
    option: Any,
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    boundary = build.boundary(build.rule("payments/transfer", Bound(argument=argument, in_=(option,))))
    arguments = {"amount": 1, "currency": "EUR", argument: value}
    answer = build.ask(build.call(arguments), build.view(boundary)).answer
    assert answer.allowed is allowed
    if answer.denial is not None:
        assert answer.denial.code is Code.CONSTRAINT_VIOLATED
