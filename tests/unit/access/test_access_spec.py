from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access import spec
from remit.access.admission import purpose_change, purpose_problems
from remit.access.codec import draft_from, draft_text, purpose_from, purpose_text, rules_from, rules_text
from remit.access.glob import covers, matches_any
from remit.access.model import Bound, Budget, Rate
from remit.catalog.pattern import matches
from remit.kernel.clock import DAY, Instant
from remit.kernel.errors import Conflict, Malformed
from remit.kernel.names import ActionName
from remit.people.document import SpecInvalid

PURPOSE: dict[str, Any] = {
    "purpose": "pay-invoices",
    "statement": "Pay supplier invoices that were approved",
    "actions": ["payments/list_*", "payments/transfer"],
    "data_classes": ["financial"],
    "not_after": "2027-06-30",
}
TRANSFER: dict[str, Any] = {
    "action": "payments/transfer",
    "when": {"amount": {"max": "500.00", "min": 1}, "currency": {"in": ["EUR", 1, True]}, "note": {"max_length": 9}},
    "limits": {"rate": "30/min", "budget": {"argument": "amount", "max": "5000.00", "per": "day"}},
    "approval": {"above": {"amount": "250.00"}},
    "first_use": "auto",
    "ttl": "7d",
}
BOUNDARY: dict[str, Any] = {
    "boundary": "pay",
    "agent": "invoice-bot",
    "purpose": "pay-invoices",
    "allow": [{"action": "payments/list_*"}, TRANSFER],
    "not_after": "2027-03-31",
}


def test_a_boundary_is_read() -> None:
    draft = spec.boundary(BOUNDARY)
    listing, transfer = draft.allow
    assert (listing.pattern, listing.exact, transfer.exact) == ("payments/list_*", False, True)
    assert transfer.when == (
        Bound(argument="amount", max=Decimal("500.00"), min=Decimal(1)),
        Bound(argument="currency", in_=("EUR", Decimal(1), True)),
        Bound(argument="note", max_length=9),
    )
    assert transfer.rate == Rate(count=30, per="min")
    assert transfer.budget == Budget(argument="amount", max=Decimal("5000.00"), per="day")
    assert transfer.approval_above == (("amount", Decimal("250.00")),)
    assert (transfer.first_use, transfer.ttl) == ("auto", 7 * DAY)


def test_what_is_stored_is_read_back() -> None:
    draft = spec.boundary(BOUNDARY)
    assert draft_from(draft_text(draft)) == draft
    rules = {ActionName("payments/transfer"): draft.allow[1].rule(ActionName("payments/transfer"))}
    assert rules_from(rules_text(rules)) == rules
    assert [type(each) for each in draft_from(draft_text(draft)).allow[1].when[1].in_ or ()] == [str, Decimal, bool]
    purpose = spec.purpose(PURPOSE)
    assert purpose_from(purpose_text(purpose), "active") == purpose


def clause(**bend: Any) -> dict[str, Any]:
    return {"allow": [TRANSFER | bend]}


@pytest.mark.parametrize(
    ("bend", "field", "says"),
    [
        ({"not_after": None}, "not_after", "date"),
        ({"allow": []}, "allow", "items"),
        ({"allow": [TRANSFER, TRANSFER]}, "allow.1.action", "twice"),
        ({"surprise": 1}, "surprise", "unknown key"),
        ({"delegates": []}, "delegates", "not available in this version"),
        (clause(scope={"argument": "account"}), "allow.0.scope", "not available in this version"),
        (clause(window={}), "allow.0.window", "not available in this version"),
        (clause(surprise=1), "allow.0.surprise", "unknown key"),
        (clause(action="transfer"), "allow.0.action", "server/tool"),
        (clause(action="*/transfer"), "allow.0.action", "exact name"),
        (clause(action="Payments/x"), "allow.0.action", "must match"),
        (clause(action="payments/"), "allow.0.action", "not well formed"),
        (clause(action="payments/a b"), "allow.0.action", "server/tool"),
        (clause(action="payments:ping"), "allow.0.action", "no boundary grants the method ping"),
        (clause(action="payments:resources/read", approval={"quorum": 2}), "allow.0.approval", "is for tools"),
        (clause(when={}), "allow.0.when", "arguments"),
        (clause(when={"amount": {}}), "allow.0.when.amount.max", "nothing would be bounded"),
        (clause(when={"amount": {"max": 500.0}}), "allow.0.when.amount.max", "exact number"),
        (clause(when={"amount": {"max": "1e3"}}), "allow.0.when.amount.max", "exact number"),
        (clause(when={"amount": {"max": "1.23456"}}), "allow.0.when.amount.max", "exact number"),
        (clause(when={"amount": {"max": True}}), "allow.0.when.amount.max", "exact number"),
        (clause(when={"amount": {"max": "1", "min": "2"}}), "allow.0.when.amount.min", "nothing could pass"),
        (clause(when={"amount": {"above": "1"}}), "allow.0.when.amount.above", "unknown key"),
        (clause(when={"c": {"in": []}}), "allow.0.when.c.in", "items"),
        (clause(when={"c": {"in": "EUR"}}), "allow.0.when.c.in", "list"),
        (clause(when={"c": {"in": ["a", "a"]}}), "allow.0.when.c.in", "twice"),
        (clause(when={"c": {"in": [None]}}), "allow.0.when.c.in.0", "text, a number"),
        (clause(when={"c": {"prefix": 1}}), "allow.0.when.c.prefix", "text"),
        (clause(when={"c": {"prefix": "/srv/../x"}}), "allow.0.when.c.prefix", "step up"),
        (clause(when={"c": {"max_length": -1}}), "allow.0.when.c.max_length", "whole number"),
        (clause(limits={"rate": "30"}), "allow.0.limits.rate", "30/min"),
        (clause(limits={"rate": "0/min"}), "allow.0.limits.rate", "30/min"),
        (clause(limits={"rate": "1/month"}), "allow.0.limits.rate", "30/min"),
        (
            clause(limits={"budget": {"argument": "a", "max": "0", "per": "day"}}),
            "allow.0.limits.budget.max",
            "above 0",
        ),
        (clause(limits={"budget": {"argument": "a", "max": "1", "per": "min"}}), "allow.0.limits.budget.per", "hour"),
        (clause(limits={"budget": {"argument": "a"}}), "allow.0.limits.budget.max", "missing"),
        (clause(limits={"quota": 1}), "allow.0.limits.quota", "unknown key"),
        (clause(approval={}), "allow.0.approval.above", "missing"),
        (clause(approval={"by": []}), "allow.0.approval.by", "from 1"),
        (clause(approval={"by": ["lee", "lee"]}), "allow.0.approval.by", "twice"),
        (clause(approval={"by": ["lee"], "quorum": 2}), "allow.0.approval.quorum", "more than the 1"),
        (clause(approval={"above": {"a": "1"}, "quorum": 0}), "allow.0.approval.quorum", "whole number"),
        (clause(approval={"above": {"a": "-1"}}), "allow.0.approval.above.a", "below 0"),
        (clause(approval={"above": {"a": "x"}}), "allow.0.approval.above.a", "exact number"),
        (clause(first_use="owner"), "allow.0.first_use", "auto"),
        (clause(ttl="7 days"), "allow.0.ttl", "duration"),
        (clause(ttl="99999d"), "allow.0.ttl", "too long"),
    ],
)
def test_a_bad_boundary_is_refused_by_field(bend: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec.boundary(BOUNDARY | bend)
    said = {problem.field: problem.message for problem in refused.value.problems}
    assert field in said
    assert says in said[field]


@pytest.mark.parametrize("missing", ["boundary", "agent", "purpose", "allow", "not_after"])
def test_no_boundary_without_its_parts(missing: str) -> None:
    with pytest.raises(SpecInvalid, match=f"{missing}: is missing"):
        spec.boundary({key: value for key, value in BOUNDARY.items() if key != missing})


@pytest.mark.parametrize("value", [5, "5", Decimal("5.0001"), "-5.25", "99999999999999.9999"])
def test_exact_numbers(value: Any) -> None:
    assert spec.number(value) == Decimal(str(value))


@pytest.mark.parametrize("value", [10**14, "05", "+5", ".5", "5.", "1_000", "", None, 5.0, Decimal("1E+3"), "NaN", "٣"])
def test_other_numbers_are_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        spec.number(value)


@pytest.mark.parametrize(
    ("bend", "field"),
    [
        ({"actions": []}, "actions"),
        ({"actions": ["transfer"]}, "actions.0"),
        ({"actions": ["a/b c"]}, "actions.0"),
        ({"actions": ["a/b", "a/b"]}, "actions"),
        ({"statement": ""}, "statement"),
        ({"data_classes": [1]}, "data_classes.0"),
        ({"owner": "dana"}, "owner"),
        ({"not_after": "soon"}, "not_after"),
    ],
)
def test_a_bad_purpose_is_refused_by_field(bend: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec.purpose(PURPOSE | bend)
    assert refused.value.problems[0].field == field


@pytest.mark.parametrize(
    ("bend", "change"),
    [
        ({}, "unchanged"),
        ({"actions": ["payments/list_*"]}, "narrow"),
        ({"actions": ["payments/list_invoices", "payments/transfer"]}, "narrow"),
        ({"not_after": "2027-06-29"}, "narrow"),
        ({"data_classes": []}, "narrow"),
        ({"actions": ["payments/*"]}, None),
        ({"actions": ["payments/list_*", "crm/read"]}, None),
        ({"not_after": "2027-07-01"}, None),
        ({"data_classes": ["financial", "health"]}, None),
        ({"statement": "Pay anything"}, None),
    ],
)
def test_a_purpose_only_narrows(bend: dict[str, Any], change: str | None) -> None:
    before, after = spec.purpose(PURPOSE), spec.purpose(PURPOSE | bend)
    if change is None:
        with pytest.raises(Conflict):
            purpose_change(before, after)
    else:
        assert purpose_change(before, after) == change
    assert purpose_change(None, after) == "create"


def test_a_purpose_that_is_over_is_no_new_purpose() -> None:
    purpose = spec.purpose(PURPOSE)
    assert purpose_problems(None, purpose, now=purpose.not_after)
    assert not purpose_problems(None, purpose, now=Instant(purpose.not_after - 1))
    assert not purpose_problems(purpose, purpose, now=purpose.not_after)


text = st.text(alphabet="ab/*", max_size=8)
plain = st.text(alphabet="ab/", max_size=8)


def naive(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(naive(pattern[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and name[0] == pattern[0] and naive(pattern[1:], name[1:])


@given(text, plain)
def test_only_the_star_is_special(pattern: str, name: str) -> None:
    assert matches(pattern, name) == naive(pattern, name)


@given(text, text, plain)
def test_a_pattern_that_covers_another_matches_all_it_matches(wide: str, narrow: str, name: str) -> None:
    if covers(wide, narrow) and matches(narrow, name):
        assert matches(wide, name)


def test_characters_that_are_special_elsewhere_are_not() -> None:
    assert matches("a.b[c]?", "a.b[c]?")
    assert not matches("a.b", "axb")
    assert not matches("[ab]", "a")
    assert not matches("a?", "ab")
    assert matches("a*", "a\n/b")
    assert not matches("ab*ba", "aba")
    assert not matches("*" + "a*" * 40 + "b", "a" * 5000)
    assert matches_any(["x", "a*"], "ab")
    assert not matches_any([], "ab")
