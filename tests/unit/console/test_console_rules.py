"""What boundaries allow, compared: every difference has a row, and equal ones have none."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.console.rules import against, differences, limits

BOUNDS = st.fixed_dictionaries({}, optional={"max": st.sampled_from(["1", "5.00"]), "in": st.just(["EUR"])})
RULES = st.lists(
    st.fixed_dictionaries(
        {"action": st.sampled_from(["s/a", "s/b", "s/c"])},
        optional={"when": st.dictionaries(st.sampled_from(["amount", "to"]), BOUNDS), "rate": st.just("30/min")},
    ),
    unique_by=lambda each: str(each["action"]),
)


@given(RULES, RULES)
def test_what_differs_has_a_row_and_what_is_equal_has_none(before: list[Any], after: list[Any]) -> None:
    rows = differences(before, after)
    assert differences(before, list(reversed(before))) == []
    assert {(each["action"], each["what"], each["was"], each["now"]) for each in differences(after, before)} == {
        (each["action"], each["what"], each["now"], each["was"]) for each in rows
    }, "the other way round, it is the same difference"
    old, new = ({each["action"] for each in side} for side in (before, after))
    assert {each["action"] for each in rows if each["how"] == "added"} == new - old
    assert {each["action"] for each in rows if each["how"] == "removed"} == old - new


def test_a_limit_that_is_lifted_says_so() -> None:
    old = {
        "action": "p/t",
        "when": {"amount": {"max": "500.00"}},
        "budget": {"argument": "amount", "max": "5", "per": "day"},
    }
    new = {"action": "p/t", "when": {"amount": {"max": "900.00"}}}
    assert [(each["what"], each["was"], each["now"], each["how"]) for each in differences([old], [new])] == [
        ("argument amount", "at most 500.00", "at most 900.00", "changed"), ("budget", "amount: 5 a day", "", "lifted"),
    ]  # fmt: skip
    assert limits(new) == ["argument amount: at most 900.00"]


def test_arguments_stand_beside_what_passed_and_what_is_allowed() -> None:
    rule = {"action": "p/t", "when": {"amount": {"max": "500.00"}}, "approval_above": {"amount": "100"}}
    rows = {
        each["name"]: each for each in against({"amount": "400.50", "to": "X"}, rule, {"amount": "10", "note": True})
    }
    assert rows["amount"]["allowed"] == "at most 500.00; above 100 a person says yes"
    assert (rows["amount"]["value"], rows["amount"]["was"], rows["amount"]["differs"]) == ("400.50", "10", "other")
    assert (rows["note"]["value"], rows["note"]["was"]) == ("", "true")
    assert [each["differs"] for each in against({"to": "X"}, None, None)] == [""]
