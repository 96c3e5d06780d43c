"""The SDK reads numbers as the server does: what it asks about is what was said, or both refuse it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.access.model import Bound, Rule
from remit.kernel import canonical
from remit.kernel.errors import Malformed
from remit.kernel.names import ActionName
from remit.policy import arguments as of_server
from remit.policy.constraints import violations
from remit.policy.narrow import narrowed
from remit.sdk import exact, strict_json
from remit.sdk.arguments import NotTellable
from remit.sdk.mandate import Mandate

DIGITS = st.text("0123456789", min_size=1, max_size=6)
EXPONENTS = st.sampled_from(["", "", "E-2", "e2", "E+0", "e-0", "E0", "e-7", "E-30", "e400", "E1"])
LITERALS = st.tuples(
    st.sampled_from(["", "-"]), DIGITS.map(lambda digits: digits.lstrip("0") or "0"),
    st.just("") | DIGITS.map(".{}".format), EXPONENTS,
).map("".join)  # fmt: skip
ODD = st.sampled_from(
    ["-0", "-0.0", "-0E0", "01", "1.", ".5", "+1", "NaN", "Infinity", "9" * 18, "9" * 19, "1" * 5000, '"1"']
)
NUMBERS = LITERALS | ODD
TEXTS = st.recursive(
    NUMBERS | st.text(max_size=3).map(json.dumps) | st.sampled_from(["true", "null", '"\\ud800"', '"\ud800"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda members: f"[{', '.join(members)}]")
        | st.lists(st.tuples(st.sampled_from(["a", "b"]), inner), max_size=2).map(
            lambda pairs: "{" + ",".join(f'"{name}": {said}' for name, said in pairs) + "}"
        )
    ),
    max_leaves=5,
)
LAW = settings(max_examples=examples(500), deadline=None)
SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}}}
RULE = Rule(
    action=ActionName("payments/transfer"), when=(Bound(argument="amount", min=Decimal("0.01"), max=Decimal(500)),)
)


def same(value: Any) -> Any:
    """A value without how its numbers are held: an int and a Decimal are one number, true and 1 are not."""
    if isinstance(value, dict):
        return {name: same(member) for name, member in value.items()}
    if isinstance(value, list):
        return [same(member) for member in value]
    return ("number", Decimal(value)) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value


def read(by: Any, text: bytes) -> Any:
    """What comes out, and where the server would find a number that it does not take."""
    try:
        value = by(text)
    except (Malformed, strict_json.NotJson):
        return "refused"
    return same(value), [each.path for each in of_server._inexact(value, "")]


@LAW
@given(TEXTS)
def test_a_text_means_the_same_to_both(text: str) -> None:
    octets = text.encode("utf-8", "surrogatepass")
    assert read(strict_json.parse, octets) == read(canonical.parse, octets)


@LAW
@given(TEXTS)
def test_what_was_read_is_written_so_that_the_server_reads_what_was_said(text: str) -> None:
    octets = text.encode("utf-8", "surrogatepass")
    try:
        value = strict_json.parse(octets)
    except strict_json.NotJson:
        return
    found = read(canonical.parse, octets)
    assert read(canonical.parse, strict_json.encode(value)) == found
    assert list(exact.inexact(value)) == found[1]


def decided(literal: str) -> bool | None:
    """What the server says of a call with that number, as it stands in the call; None for no JSON."""
    try:
        arguments = canonical.parse(f'{{"amount": {literal}}}')
    except Malformed:
        return None
    return not of_server.violations(arguments, of_server.compiled(SCHEMA)) and not violations(RULE, arguments)


def advised(arguments: Any) -> bool:
    action = {
        "action": RULE.action, "refused": None, "usable": True, "state": "active", "starts": None,
        "input_schema": narrowed(SCHEMA, [RULE]),
        "granted_by": [{"limits": [], "approval": [], "approval_each_call": False}],
    }  # fmt: skip
    claims = {"exp": 2, "freeze": {"frozen": False, "on": []}, "actions": [action]}
    return Mandate(strict_json.parse(canonical.encode(claims)), "").allows(RULE.action, arguments, now=1)


@LAW
@given(NUMBERS)
@example("1E-2")
@example("10e-3")
@example("5E2")
def test_a_boundary_answers_alike_asked_directly_through_the_sdk_and_offline(literal: str) -> None:
    directly = decided(literal)
    try:
        arguments = strict_json.parse(f'{{"amount": {literal}}}'.encode())
    except strict_json.NotJson:
        assert directly is None
        return
    assert decided(strict_json.encode(arguments["amount"]).decode()) == directly
    assert advised(arguments) == directly


@LAW
@given(st.floats() | st.integers() | st.decimals())
@example(0.1)
@example(1e-7)
@example(1e16)
@example(Decimal("1E-2"))
@example(Decimal("5E+2"))
def test_what_a_program_hands_over_is_judged_as_it_is_sent(value: Any) -> None:
    try:
        sent = exact.as_sent({"amount": value})
    except NotTellable:
        assert not advised({"amount": value})
        return
    assert advised({"amount": value}) == decided(strict_json.encode(sent["amount"]).decode())


@pytest.mark.parametrize("literal", ["1E-2", "10e-3", "0.01E0", "1e2", "-0E0", "0.00001", "1234567890123456789"])
def test_no_exact_number_is_told_by_its_place(literal: str) -> None:
    value = strict_json.parse(f'{{"a/b": [1, {literal}]}}'.encode())
    assert list(exact.inexact(value)) == ["/a~1b/1"]
