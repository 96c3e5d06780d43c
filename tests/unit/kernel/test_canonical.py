import json
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from remit.kernel.canonical import canonical, encode, parse
from remit.kernel.errors import Malformed
from remit.policy.arguments import exact

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.requirement("json:canonical")
@given(values)
def test_canonical_equals_the_reference_implementation(value: Any) -> None:
    try:
        ours = canonical(value)
    except Malformed:
        assert any(max(key, default="") > "\uffff" for key in _keys(value))
        return
    assert ours == rfc8785.dumps(value)


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [k for key, v in value.items() for k in [key, *_keys(v)]]
    if isinstance(value, list):
        return [k for v in value for k in _keys(v)]
    return []


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse(encode(value)) == value


@pytest.mark.requirement("json:strict")
@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"",
        b"{",
        b"{} {}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * 65 + b"]" * 65,
        b"1" * 5000,
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b"01",
        b"1.",
        b"'a'",
        b'{"a":1,}',
    ],
)
def test_what_parsers_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(body)


@pytest.mark.parametrize("literal", ["1.50", "0.10", "-0", "500.0000", "12345678901234567890.123456789", "0", "-7"])
def test_a_number_is_forwarded_as_the_literal_it_was(literal: str) -> None:
    assert encode(parse(f'{{"n":{literal}}}')) == f'{{"n":{literal}}}'.encode()


def test_numbers_with_a_fraction_are_exact() -> None:
    assert parse(b"0.1") == Decimal("0.1")


@pytest.mark.parametrize("literal", ["1e-2", "1.50E-1", "-12.5e-1", "1.0e0", "1e5", "12e0", "1e-9", "0e-3"])
def test_that_a_number_had_an_exponent_stays_visible(literal: str) -> None:
    read = parse(literal)
    assert read == Decimal(literal)
    exponent = read.as_tuple().exponent
    assert exponent >= 0 or exponent <= -7, "a number without an exponent could look like this"


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?[eE][+-]?[0-9]{1,2}", fullmatch=True))
@example("-0E0")
@example("-0e+0")
@example("-0.0E1")
def test_no_number_with_an_exponent_is_read_as_one_without(literal: str) -> None:
    read = parse(literal)
    assert read == Decimal(literal)
    assert not exact(read)


@pytest.mark.requirement("json:canonical")
@pytest.mark.parametrize("value", [1.5, Decimal(1), 2**53, object(), {1: "a"}, {"\U0001f600": 1}])
def test_canonical_takes_only_what_has_one_spelling(value: Any) -> None:
    with pytest.raises(Malformed):
        canonical(value)


def test_escaped_surrogate_pairs_are_text() -> None:
    assert parse(json.dumps("\U0001f600").encode()) == "\U0001f600"
