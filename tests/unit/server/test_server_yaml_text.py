from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import ConfigInvalid
from remit.server.yaml_text import read


def one(text: str) -> object:
    (document,) = read(text, file="a.yaml")
    return document.value["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),  # Norway is a country, not false
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("2027-06-30", "2027-06-30"),
        ("2027-06-30T10:00:00Z", "2027-06-30T10:00:00Z"),
        ("30/min", "30/min"),
        ("1:30", "1:30"),
        ("1.4.2", "1.4.2"),
        ("7", 7),
        ("-7", -7),
        ("500.00", Decimal("500.00")),
        ('"500.00"', "500.00"),
        ("'7'", "7"),
        ("payments/list_*", "payments/list_*"),
    ],
)
def test_a_value_is_read_as_it_is_written(text: str, value: object) -> None:
    found = one(f"x: {text}\n")
    assert found == value
    assert type(found) is type(value)


def test_a_decimal_keeps_its_digits() -> None:
    assert str(one("x: 500.10\n")) == "500.10"


@pytest.mark.parametrize(
    "text", ["012", "0x1F", "0o17", "1e3", "1_000", ".inf", "-.INF", ".nan", ".5", "5.", "+5", "9" * 19]
)
def test_a_number_that_programs_read_differently_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"a\.yaml:1: .*quote it"):
        one(f"x: {text}\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x: 1\ny: 2\nx: 3\n", 3),
        ("a:\n  b: 1\n  b: 2\n", 3),
        ("x: &a 1\ny: *a\n", 2),
        ("x: !!python/object/apply:os.system [ls]\n", 1),
        ("x: !secret v\n", 1),
        ("<<: {a: 1}\n", 1),
        ("[a, b]: 1\n", 1),
        ("- {a: 1}\n- text\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: [1\n", 2),
        ("just text", 1),
        ("", 1),
    ],
)
def test_what_is_refused_is_named_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigInvalid, match=rf"^a\.yaml:{line}: "):
        read(text, file="a.yaml")


def test_a_list_is_many_documents_with_a_line_each() -> None:
    first, second = read("- {a: 1}\n\n- b:\n    - c: 2\n", file="a.yaml")
    assert (first.value, first.line) == ({"a": 1}, 1)
    assert (second.value, second.line) == ({"b": [{"c": 2}]}, 3)
    assert second.lines["b.0.c"] == 4


def test_a_file_nested_without_end_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="deep"):
        read("x: " + "[" * 2000 + "]" * 2000, file="a.yaml")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_its_file(text: str) -> None:
    said = "a.yaml:"
    try:
        read(text, file="a.yaml")
    except ConfigInvalid as error:
        said = error.public
    assert said.startswith("a.yaml:")
