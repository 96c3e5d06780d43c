"""The schema-only caller: what it draws fits the schema, and is spread over all of it."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from benchmarks.schema_values import Caller


def drawn(schema: dict[str, Any], scale: dict[str, Decimal] | None = None, count: int = 2000) -> list[dict[str, Any]]:
    caller = Caller(schema, scale or {}, random.Random(7))
    return [caller.arguments() for _ in range(count)]


def of(member: Any, scale: str | None = None) -> list[Any]:
    schema = {"type": "object", "properties": {"a": member}, "required": ["a"]}
    found = [each["a"] for each in drawn(schema, {} if scale is None else {"a": Decimal(scale)})]
    assert all(jsonschema_rs.is_valid(member, each) for each in found)
    return found


def test_a_number_without_a_maximum_goes_to_ten_times_its_usual_size() -> None:
    found = of({"type": "number"}, "500")
    assert min(found) >= 0
    assert 4900 < max(found) <= 5000
    assert sum(each > 500 for each in found) / len(found) == pytest.approx(0.9, abs=0.03)


def test_a_declared_range_is_used_evenly() -> None:
    found = of({"type": "number", "minimum": 100, "maximum": 200}, "5")
    assert sum(each > 150 for each in found) / len(found) == pytest.approx(0.5, abs=0.04)
    assert {*of({"type": "integer", "exclusiveMinimum": 0, "maximum": 3})} == {1, 2, 3}


def test_strings_come_from_enum_const_or_examples() -> None:
    assert {*of({"type": "string", "enum": ["a", "b"]})} == {"a", "b"}
    assert {*of({"const": "x"})} == {"x"}
    assert {*of({"type": "string", "examples": ["a", "bb"], "maxLength": 1})} == {"a"}


def test_alternatives_and_lists_are_all_used() -> None:
    assert {type(each) for each in of({"anyOf": [{"type": "integer"}, {"type": "null"}]})} == {int, type(None)}
    assert {len(each) for each in of({"type": "array", "items": {"enum": [1, 2]}})} == {1, 2, 3}


def test_what_need_not_be_given_sometimes_is_not() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "boolean"}}, "required": ["a"]}
    assert {tuple(each) for each in drawn(schema)} == {("a",), ("a", "b")}
