"""Narrowed schemas: what fits them is what the pinned schema and the bounds of a rule let through."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.access.model import Bound, Budget, Rule
from remit.enforcement import era
from remit.kernel.canonical import encode, parse
from remit.kernel.names import ActionName
from remit.policy.arguments import compiled
from remit.policy.constraints import violations
from remit.policy.narrow import alternatives, fragment, narrowed, plain_number
from remit.policy.room import either, implies, rooms_of

LAW = settings(max_examples=examples(600), deadline=None, suppress_health_check=[HealthCheck.too_slow])
REF = {"$ref": "#/$defs/Amount", "title": "Amount"}
# One argument as servers describe it: plain, with limits of its own, optional, composed, old drafts, odd.
ALL_MEMBERS: list[Any] = [
    {},
    True,
    {"type": "number"},
    {"type": "integer"},
    {"type": ["number", "null"], "default": 3},
    {"type": ["integer", "string"]},
    {"type": "number", "maximum": 300, "exclusiveMinimum": 0},
    {"type": "number", "minimum": Decimal("-1.5"), "maximum": 10_000},
    {"type": "integer", "multipleOf": 100},
    {"type": "number", "enum": [0, 5, 500, 900]},
    {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None, "title": "Amount"},
    {"anyOf": [{"type": "number"}, {"type": "string"}]},
    {"oneOf": [{"type": "number", "maximum": 5}, {"type": "string"}]},
    REF,
    {"type": "string"},
    {"type": "string", "enum": ["EUR", "USD", "INV-1"]},
    {"type": "string", "maxLength": 3, "pattern": "^[A-Z]"},
    {"type": ["string", "null"], "examples": ["EUR", "xyz"]},
    {"const": "EUR"},
    {"enum": ["EUR", 5, None, True]},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "string"}},
    {"type": "array", "items": {"type": ["string", "array"]}, "maxItems": 1},
    {"type": "array"},
    {"type": ["array", "string"]},
    {"type": "object", "properties": {"a": {"type": "string"}}},
    {"allOf": [{"type": "number"}], "not": {"const": 5}},
]
MEMBERS = st.sampled_from(ALL_MEMBERS)
ROOTS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {}, {"additionalProperties": False}, {"additionalProperties": {"type": "string"}}, {"patternProperties": {}}]
)
TEXTS = st.sampled_from(["", "EUR", "USD", "eur", "INV-1", "INV-*", "é", "a\nb", 'q"', "INV", "a.b", "a/b", "(x)"])
LIMITS = st.sampled_from([Decimal(t) for t in ("-1", "0", "1.5", "500.00", "500", "0.00005", "5", "300", "1e20")])
NUMBERS = st.sampled_from([Decimal(t) for t in ("-1.0", "0.0", "0.0001", "1.5", "5.0", "499.9999", "500.0001")])
SCALARS = NUMBERS | st.sampled_from([-1, 0, 5, 100, 300, 301, 500, 900]) | TEXTS | st.booleans() | st.none()
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.lists(st.lists(TEXTS, max_size=1), max_size=1)
NAMES = st.sampled_from(["a", "b", "c"])  # c is no property of the schema
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=3)


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "properties": {"a": draw(MEMBERS), "b": draw(MEMBERS)},
        "required": draw(st.sampled_from([[], ["a"]])),
        "$defs": {"Amount": {"type": "number", "maximum": 700}},
        **dict(draw(ROOTS)),
    }
    if draw(st.integers(0, 9)) == 0:
        del found["properties"]
    return found


@st.composite
def bounds(draw: st.DrawFn) -> Bound:
    kind = draw(st.sampled_from(["number", "number", "in", "prefix", "max_length"]))
    argument = draw(NAMES)
    if kind == "number":
        return Bound(argument=argument, max=draw(LIMITS | st.none()), min=draw(LIMITS | st.none()))
    if kind == "in":
        return Bound(argument=argument, in_=tuple(draw(st.lists(TEXTS | LIMITS | st.booleans(), max_size=3))))
    if kind == "prefix":
        return Bound(argument=argument, prefix=draw(TEXTS))
    return Bound(argument=argument, max_length=draw(st.integers(0, 4)))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    return Rule(
        action=ActionName("payments/transfer"),
        when=tuple(draw(st.lists(bounds(), max_size=3))),
        budget=draw(st.sampled_from([None, None, Budget(argument="a", max=Decimal(9), per="day")])),
        approval_above=draw(st.sampled_from([(), (), (("b", Decimal(250)),)])),
    )


def rule(*when: Bound, **parts: Any) -> Rule:
    return Rule(action=ActionName("payments/transfer"), when=when, **parts)


def admitted(schema: dict[str, Any], granted: list[Rule], arguments: dict[str, Any]) -> bool:
    """What decides: the pinned schema, and the bounds of any one rule."""
    return compiled(schema).is_valid(arguments) and any(not violations(each, arguments) for each in granted)


@LAW
@given(schema=schemas(), one=rules(), arguments=ARGUMENTS)
def test_one_rule_is_said_exactly(schema: dict[str, Any], one: Rule, arguments: dict[str, Any]) -> None:
    found = narrowed(schema, [one])
    assert compiled(found).is_valid(arguments) == admitted(schema, [one], arguments), found


@LAW
@given(schema=schemas(), granted=st.lists(rules(), min_size=2, max_size=3), arguments=ARGUMENTS)
def test_several_rules_are_said_exactly_or_as_alternatives(
    schema: dict[str, Any], granted: list[Rule], arguments: dict[str, Any]
) -> None:
    found, others = narrowed(schema, granted), alternatives(schema, granted)
    fits = compiled(found).is_valid(arguments)
    right = admitted(schema, granted, arguments)
    assert fits or not right, found  # never too narrow
    exact = fits if not others else any(compiled(each).is_valid(arguments) for each in others)
    assert exact == right, (found, others)


@LAW
@given(schema=schemas(), granted=st.lists(rules(), min_size=1, max_size=3), arguments=ARGUMENTS)
def test_what_is_sent_over_the_wire_says_the_same(
    schema: dict[str, Any], granted: list[Rule], arguments: dict[str, Any]
) -> None:
    found = narrowed(schema, granted)
    again = parse(encode(found))
    assert compiled(again).is_valid(arguments) == compiled(found).is_valid(arguments)


@LAW
@given(one=bounds(), other=bounds(), value=SCALARS)
def test_a_room_that_implies_another_lies_within_it(one: Bound, other: Bound, value: Any) -> None:
    first, second = rooms_of(rule(one))[one.argument], rooms_of(rule(other))[other.argument]
    if implies(first, second):
        assert second.holds(value) or not first.holds(value)
    joined = either([first, second])
    assert any(room.holds(value) for room in joined) == (first.holds(value) or second.holds(value))
    assert first.holds(value) == (not violations(rule(one), {one.argument: value}))


BOUNDS = [
    Bound(argument="a", max=Decimal(5)), Bound(argument="a", max=Decimal(500)), Bound(argument="a", min=Decimal(5)),
    Bound(argument="a", min=Decimal(-9), max=Decimal("1.5")), Bound(argument="a", in_=("EUR", Decimal(5), True)),
    Bound(argument="a", in_=("EUR",)), Bound(argument="a", in_=(Decimal(500),)), Bound(argument="a", in_=()),
    Bound(argument="a", prefix="E"), Bound(argument="a", max_length=1), Bound(argument="a"),
]  # fmt: skip
EDGES: list[Any] = [
    -10, -9, -1, 0, 1, 5, 100, 300, 301, 500, 501, 900, Decimal("1.5"), Decimal("1.6"), Decimal("5.0"), "", "E", "EUR",
    "USD", "INV-1", "xyz", True, False, None, [], ["EUR"], ["EUR", "USD"], ["EUR", 5], [["EUR"]], {"a": "EUR"},
]  # fmt: skip


@pytest.mark.parametrize("bound", BOUNDS)
def test_every_kind_of_property_under_every_kind_of_bound(bound: Bound) -> None:
    for member in ALL_MEMBERS:
        schema = {
            "type": "object", "properties": {"a": member}, "$defs": {"Amount": {"type": "number", "maximum": 700}},
        }  # fmt: skip
        fits = compiled(narrowed(schema, [rule(bound)]))
        for value in EDGES:
            said = fits.is_valid({"a": value})
            assert said == admitted(schema, [rule(bound)], {"a": value}), (member, value)


def test_the_example_of_the_design() -> None:
    schema = {
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "amount": {"type": "number", "description": "In the currency's unit"},
            "currency": {"type": "string"},
        },
        "required": ["to"],
    }
    bounded = rule(Bound(argument="amount", max=Decimal("500.00")), Bound(argument="currency", in_=("EUR",)))
    found = narrowed(schema, [bounded])
    assert found["properties"]["amount"] == {
        "type": "number", "description": "In the currency's unit", "maximum": 500,
    }  # fmt: skip
    assert found["properties"]["currency"] == {"type": "string", "enum": ["EUR"]}
    assert found["required"] == ["to", "amount", "currency"]
    assert schema["required"] == ["to"]
    assert schema["properties"]["amount"] == {"type": "number", "description": "In the currency's unit"}  # type: ignore[index]


def test_a_rule_that_bounds_nothing_leaves_the_schema_as_it_is() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    assert narrowed(schema, [rule(), rule(Bound(argument="a", max=Decimal(5)))]) is schema
    assert narrowed(schema, []) is schema


def test_ranges_that_meet_become_one() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    low = rule(Bound(argument="a", min=Decimal(0), max=Decimal(100)))
    high = rule(Bound(argument="a", min=Decimal(50), max=Decimal("500.50")))
    found = narrowed(schema, [low, high])
    assert found["properties"]["a"] == {"type": "number", "minimum": 0, "maximum": Decimal("500.5")}
    assert encode(found["properties"]["a"]["maximum"]) == b"500.5"
    touching = rule(Bound(argument="a", min=Decimal(100), max=Decimal(200)))
    assert narrowed(schema, [low, touching])["properties"]["a"] == {"type": "number", "minimum": 0, "maximum": 200}
    apart = rule(Bound(argument="a", min=Decimal(101)))
    assert narrowed(schema, [low, apart])["properties"]["a"] == {
        "type": "number",
        "anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, {"type": "number", "minimum": 101}],
    }


@given(schema=schemas(), granted=st.lists(rules(), min_size=1, max_size=3))
def test_nothing_stands_at_the_root_that_clients_drop(schema: dict[str, Any], granted: list[Rule]) -> None:
    found = narrowed(schema, granted)
    if "c" not in found.get("required", ()) and "properties" in schema:
        assert {"allOf", "anyOf", "oneOf", "not", "if"}.isdisjoint(found)


@pytest.mark.parametrize(
    ("text", "spelled"), [("500.00", "500"), ("0.5000", "0.5"), ("0.00005", "0.00005"), ("1e20", "1" + "0" * 20),
                          ("-12.3400", "-12.34"), ("0.00", "0"), ("123456789012345678901234567890.5", None)],
)  # fmt: skip
def test_numbers_have_one_exact_spelling(text: str, spelled: str | None) -> None:
    assert encode(plain_number(Decimal(text))).decode() == (spelled or text)


@pytest.mark.parametrize("prefix", ["INV-", "a.b", "a/b", "(x)[y]{z}|^$", "\\d+*?", "é☂", "a b#", "𝄞"])
def test_a_prefix_is_taken_as_it_is(prefix: str) -> None:
    said = fragment(rooms_of(rule(Bound(argument="a", prefix=prefix)))["a"])
    fits = compiled(said)
    assert fits.is_valid(prefix + "rest")
    assert fits.is_valid(prefix)
    assert not fits.is_valid("x" + prefix)
    assert re.match(said["pattern"], prefix + "rest")


def test_an_old_drafts_exclusive_maximum_keeps_its_meaning() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {"a": {"type": "number", "maximum": 600, "exclusiveMaximum": True}},
    }
    fits = compiled(narrowed(schema, [rule(Bound(argument="a", max=Decimal(500)))]))
    assert fits.is_valid({"a": 500})
    assert not fits.is_valid({"a": 501})


def test_a_marked_argument_keeps_its_mark_where_clients_look_for_it() -> None:
    schema = {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "n": {"anyOf": [{"type": "integer"}]}},
    }
    for when in (Bound(argument="region", in_=("eu",)), Bound(argument="region", prefix="e"),
                 Bound(argument="n", max=Decimal(3))):  # fmt: skip
        assert era.header_paths(narrowed(schema, [rule(when)])) == {("region",): "Region"}


def test_no_number_stands_for_a_boolean() -> None:
    """To Python 0 is False, and 1 True; an agent that may say one of them may not say the other."""
    for number, truth in ((Decimal(0), False), (Decimal(1), True)):
        rooms = [rooms_of(rule(Bound(argument="a", in_=(each,))))["a"] for each in (number, truth)]
        assert not implies(*rooms)
        assert not implies(*rooms[::-1])
        assert len(either(rooms)) == 2
