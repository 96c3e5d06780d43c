"""Arguments are told by name, whatever their place, and twice is never once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.catalog.model import PinState, Tier, Tool
from remit.catalog.operation import PLACES, Operation, operation
from remit.enforcement.http_arguments import arguments, typed
from remit.kernel.canonical import parse
from remit.kernel.names import ToolName
from remit.policy.arguments import compiled, exact, violations

NUMBERS = st.from_regex(r"-?[0-9]{0,4}(\.[0-9]{0,3})?([eE][0-9])?", fullmatch=True)


def made(properties: dict[str, Any], **places: list[str]) -> Operation:
    definition = {
        "name": "POST /a/{id}", "inputSchema": {"type": "object", "properties": properties}, "_meta": {PLACES: places},
    }  # fmt: skip
    name = ToolName("POST /a/{id}")
    return operation(Tool(name=name, tier=Tier.LOW, pin="", definition=definition, seen=None, state=PinState.APPROVED))


@given(NUMBERS)
def test_a_number_that_is_read_is_written_as_it_was(text: str) -> None:
    value = typed(text, {"type": "number"})
    if isinstance(value, str):
        assert value == text
    elif not violations({"n": value}, compiled({"type": "object"})):  # an inexact one goes nowhere
        assert str(value) == text


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})", fullmatch=True), st.sampled_from(["integer", "number"]))
def test_a_whole_number_is_what_json_reads(text: str, kind: str) -> None:
    value = parse(text)
    expected = text if exact(value) and str(value) != text else value
    assert (typed(text, {"type": kind}), type(typed(text, {"type": kind}))) == (expected, type(expected))


@given(st.text(max_size=5))
def test_text_stays_text(text: str) -> None:
    assert typed(text, {"type": "string"}) == text
    assert typed(text, None) == text


def test_types_are_those_of_the_schema() -> None:
    assert typed("1.50", {"type": ["number", "null"]}) == Decimal("1.50")
    assert typed("true", {"type": "boolean"}) is True
    assert typed("TRUE", {"type": "boolean"}) == "TRUE"
    assert typed("1", {"type": ["integer", "string"]}) == "1"


@given(st.sampled_from(["path", "query", "body"]), st.sampled_from(["path", "query", "body"]))
def test_a_name_from_two_places_never_fits_a_single_value(one: str, other: str) -> None:
    found = arguments(
        made({"id": {"type": "string"}}),
        {"id": "1"} if "path" in (one, other) else {},
        [("id", "2")] * ((one, other).count("query")),
        {"id": "3"} if "body" in (one, other) else None,
    )
    times = len({one, other}) if one != other or one == "query" else 1
    twice = times > 1 or (one, other).count("query") > 1
    assert isinstance(found.values["id"], list) == twice
    assert (
        bool(violations(found.values, compiled({"type": "object", "properties": {"id": {"type": "string"}}}))) == twice
    )


def test_an_array_takes_its_values_from_the_query() -> None:
    items = {"type": "array", "items": {"type": "integer"}}
    pairs = [("ids", "1"), ("ids", "2,3")]
    assert arguments(made({"ids": items}), {}, pairs, None).values == {"ids": [1, "2,3"]}
    assert arguments(made({"ids": items}, commas=["ids"]), {}, pairs, None).values == {"ids": [1, 2, 3]}


def test_what_stands_in_the_wrong_place_is_not_forwarded() -> None:
    places = {"query": ["q"], "body": ["b"]}
    assert arguments(made({}, **places), {}, [("q", "1")], {"b": 1}).fault == ""
    assert arguments(made({}, **places), {}, [("b", "1")], None).fault
    assert arguments(made({}, **places), {}, [], {"q": 1}).fault
    assert arguments(made({}), {}, [], [1]).fault
