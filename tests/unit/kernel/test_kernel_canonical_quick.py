"""The quick way of reading JSON against the strict one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from remit.kernel import canonical
from remit.kernel.errors import Malformed

LITERALS = st.sampled_from(
    [
        *("0", "-0", "1", "-1", "1.0", "1.50", "-0.0", "-0E0", "1e5", "1E-2", "0.0000001", "9007199254740993"),
        *("18446744073709551616", "1" * 40, "1" * 5000, "1." + "0" * 40),
        *("NaN", "Infinity", "01", "1.", ".5", "true", "null", "nul"),
    ]
)
STRINGS = st.text(max_size=5).map(lambda text: json.dumps(text, ensure_ascii=False)) | st.sampled_from(
    ['"a\\/b"', '"\\u0041"', '"\\ud800"', '"\\n"', '"\x7f"', '"\t"', '"', '"\\x"']
)
SPACE = st.sampled_from(["", "", "", " ", "\n"])


def _joined(parts: list[str], space: str) -> str:
    return f"[{(',' + space).join(parts)}]"


def _object(pairs: list[tuple[str, str]], space: str) -> str:
    return "{" + ("," + space).join(f"{key}:{space}{value}" for key, value in pairs) + "}"


TEXTS = st.recursive(
    LITERALS | STRINGS,
    lambda inner: (
        st.builds(_joined, st.lists(inner, max_size=3), SPACE)
        | st.builds(_object, st.lists(st.tuples(STRINGS, inner), max_size=3), SPACE)
    ),
    max_leaves=6,
)


def outcome(read: Any, text: str | bytes) -> str:
    """What comes out, types and all."""
    try:
        return repr(read(text))
    except Malformed as error:
        return f"refused: {error.public}"


@settings(max_examples=examples(3000), deadline=None)
@given(TEXTS, SPACE)
def test_both_ways_read_alike(text: str, space: str) -> None:
    assert outcome(canonical.parse, text + space) == outcome(canonical._strictly, text + space)
    octets = (text + space).encode("utf-8", "surrogatepass")
    assert outcome(canonical.parse, octets) == outcome(canonical._strictly, octets)


@pytest.mark.parametrize(
    "text", ['{"a":1.50,"b":[1,"x",null,true],"c":{"d":-2}}', "[]", '"é"', "12", ' { "a" : [1, "b c"] }\n']
)
def test_what_programs_write_is_read_the_quick_way(text: str) -> None:
    assert canonical._plain(text) is not canonical._UNSURE


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        '{"a": 1, "b": 2, "a": 3}',
        "1e5",
        "-0",
        '"\\u0041"',
        "[" * 65 + "]" * 65,
        "1 2",
        "[1,]",
        "",
    ],
)
def test_what_may_be_read_in_two_ways_is_read_the_strict_way(text: str) -> None:
    assert canonical._plain(text) is canonical._UNSURE


def test_octets_that_are_no_text_are_refused() -> None:
    with pytest.raises(Malformed):
        canonical.parse(b'"\xff"')
