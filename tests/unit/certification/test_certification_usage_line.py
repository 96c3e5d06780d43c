"""The native line: strict, and the same line again from what it was read as."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.certification.usage.line import event_of, instant_of, line_of
from remit.certification.usage.model import Kind, UsageEvent, canonical_line, digest, id_of, number_of, text_of
from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed

USE: dict[str, Any] = {"kind": "use", "at": "2026-01-31T08:00:00Z", "id": "x", "agent": "bot", "action": "s/t"}


def test_a_line_becomes_an_event() -> None:
    said = {**USE, "seq": 7, "purpose": "work", "run": "r1", "amount": Decimal("1.50"), "big": 2**60}
    found = event_of(said, source="src")
    assert found == UsageEvent(
        "src", "#7", instant_of(USE["at"]), Kind.USE, "bot", "work", "s/t", "r1",
        f'{{"amount":"1.50","big":"{2**60}"}}',
    )  # fmt: skip
    assert found.seq == 7


@pytest.mark.parametrize(
    ("at", "micros"),
    [("1970-01-01T00:00:01Z", 10**6), ("2026-01-31T08:00:00.000001Z", 1_769_846_400_000_001), (5, 5)],
)
def test_times(at: object, micros: int) -> None:
    assert instant_of(at) == micros


@pytest.mark.parametrize(
    "at",
    [
        "2026-01-31", "2026-01-31T08:00:00", "2026-01-31T08:00:00+01:00", "2026-01-31T08:00:00.1234567Z",
        "20260131T080000Z", "2026-02-30T08:00:00Z", "2026-01-31T08:00:00z",
        "1969-12-31T23:59:59Z", -1, 2**53, True, 1.5, None, "", "٢٠٢٦",
    ],
)  # fmt: skip
def test_no_times(at: object) -> None:
    with pytest.raises(Malformed):
        instant_of(at)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "used"}, {"kind": None}, {"kind": ["use"]}, {"at": None}, {"id": None}, {"id": ""}, {"id": 5},
        {"id": "a\x00b"}, {"id": "x" * 257}, {"seq": -1}, {"seq": True}, {"seq": "1"}, {"seq": 2**53},
        {"agent": None}, {"agent": "Bot"},
        {"agent": ""}, {"action": None}, {"action": "t"}, {"action": "S/t"}, {"action": "s/"}, {"action": "s:"},
        {"action": "s/a b"}, {"purpose": "A"}, {"purpose": ""}, {"run": ""}, {"run": 4}, {"source": "other"},
        {"source": None}, {"more": "x" * 9000}, {"\U0001f600": 1},
        {"kind": "coverage"}, {"kind": "coverage", "from": 5, "to": 5}, {"kind": "coverage", "from": "x", "to": 9},
        {"kind": "signal", "on": True}, {"kind": "signal", "signal": "boredom", "on": True},
        {"kind": "signal", "signal": "anomaly"}, {"kind": "signal", "signal": "anomaly", "on": 1},
        {"kind": "signal", "signal": "anomaly", "on": True, "agent": None}, {"kind": "owner"},
        {"kind": "owner", "owner": "d"}, {"kind": "agent", "owner": "d"}, {"kind": "entitlement", "purpose": "p"},
        {"kind": "ended"},
    ],
)  # fmt: skip
def test_what_is_not_a_line_is_refused(wrong: dict[str, Any]) -> None:
    event_of(USE, source="src")
    with pytest.raises(Malformed):
        event_of(USE | wrong, source="src")


@pytest.mark.parametrize("said", [None, 5, "use", [USE]])
def test_only_an_object_is_a_line(said: object) -> None:
    with pytest.raises(Malformed, match="object"):
        event_of(said, source="src")


def test_a_line_may_say_its_own_source_and_no_other() -> None:
    assert event_of(USE | {"source": "src"}, source="src") == event_of(USE, source="src")
    assert event_of(USE | {"source": "other"}).source == "other"
    with pytest.raises(Malformed):
        event_of(USE)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
NAME = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)
MORE = st.dictionaries(NAME.map(lambda name: f"more-{name}"), st.integers(-5, 5) | TEXT | st.none(), max_size=3)


SAID = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["use", "denial", "error", "reactivated", "breakglass"]),
        "at": st.integers(0, 2**51),
        "agent": NAME,
        "action": NAME.map(lambda tool: f"s/{tool}"),
        "purpose": st.none() | NAME,
        "run": st.none() | TEXT,
    }
)


@given(SAID, st.integers(0, 2**52) | TEXT, MORE)
def test_an_event_is_the_same_when_its_line_is_read_again(
    said: dict[str, Any], id_: int | str, more: dict[str, Any]
) -> None:
    event = event_of({**said, **more, ("seq" if isinstance(id_, int) else "id"): id_}, source="src")
    assert event_of(line_of(event), source="src") == event


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "coverage", "at": 9, "seq": 1, "from": 1, "to": 8},
        {"kind": "signal", "at": 9, "id": "s", "agent": "bot", "signal": "anomaly", "on": False, "about": "x"},
        {"kind": "signal", "at": 9, "id": "s", "agent": "bot", "signal": "anomaly", "on": True},
        {"kind": "owner", "at": 9, "id": "o", "owner": "dana", "status": "left"},
        {"kind": "entitlement", "at": 9, "id": "e", "agent": "bot", "purpose": "p", "action": "s/t", "tier": "low"},
    ],
)
def test_other_kinds_are_the_same_when_they_are_read_again(said: dict[str, Any]) -> None:
    event = event_of(said, source="src")
    assert event_of(line_of(event), source="src") == event


@given(TEXT)
def test_no_text_is_taken_for_a_number(text: str) -> None:
    assert number_of(id_of(None, text)) is None
    assert text_of(id_of(None, text)) == text or not text.startswith("#")
    assert number_of(id_of(5, text)) == 5


def test_a_text_that_looks_like_a_number_is_another_event() -> None:
    assert id_of(None, "#5") != id_of(5, "")
    assert number_of(id_of(None, "#5")) is None


def test_the_digest_is_of_the_lines_in_order_of_their_ids() -> None:
    one, other = (event_of(USE | {"id": name}, source="src") for name in "ab")
    assert digest([one, other]) == digest([other, one]) != digest([one])
    assert parse(canonical_line(one))["kind"] == "use"
