"""What changed, word by word; and the calls of a run as bars. Names are anything."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.console.differences import difference
from remit.console.pages.log import quoted
from remit.console.waterfall import WIDTH, fall, kind_of, short
from remit.kernel.clock import rfc3339


@given(st.text(max_size=200), st.text(max_size=200))
def test_both_sides_are_whole_and_what_is_common_is_on_both(old: str, new: str) -> None:
    found = difference("/description", old, new)
    assert found.old is not None
    assert found.new is not None
    assert "".join(part.text for part in found.old) == old
    assert "".join(part.text for part in found.new) == new
    same = ["".join(part.text for part in side if part.kind == "same") for side in (found.old, found.new)]
    assert same[0] == same[1]


def test_the_words_that_changed_are_marked_and_hidden_ones_are_framed() -> None:
    found = difference("/description", "Reads an invoice.", "Reads an invoice and\\u202e mails it.")
    assert found.new is not None
    assert [part.text for part in found.new if part.kind == "seen"] == ["\\u202e"]
    assert "mails" in "".join(part.text for part in found.new if part.kind == "come")
    gone = difference("/x", {"a": 1}, None)
    assert gone.new is None
    assert gone.old is not None
    assert {part.kind for part in gone.old} == {"gone"}
    long = difference("/d", "word " * 50_000, "other " * 50_000)
    assert long.new is not None
    assert sum(len(part.text) for part in long.new) < 21_000


def call(at: int, took: int | None, agent: str = "bot", **more: Any) -> dict[str, Any]:
    return {
        "decision": "dec_1", "time": rfc3339(at), "agent": agent, "instance": "i", "run": "r", "action": "crm/x",
        "answer": "allow", "code": None, "outcome": None if took is None else "ok", "cut": False,
        "took_microseconds": took, **more,
    }  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 10**12), st.one_of(st.none(), st.integers(0, 10**10)), st.text(max_size=60))))
def test_every_call_has_a_bar_inside_the_drawing_and_its_lane(said: list[tuple[int, int | None, str]]) -> None:
    found = fall([call(10**15 + at, took, agent) for at, took, agent in said])
    assert len(found.bars) == len(said)
    assert len(found.lanes) == len({agent for _, _, agent in said})
    for bar in found.bars:
        assert found.left <= bar.x <= WIDTH
        assert bar.width > 0
        assert bar.x + bar.width <= WIDTH + 0.01
        assert any(lane.y <= bar.y and bar.y + found.bar <= lane.y + lane.height for lane in found.lanes)


def test_calls_at_the_same_time_stand_under_each_other() -> None:
    found = fall([call(10**15, 10**6), call(10**15 + 10, 10**6), call(10**15 + 2 * 10**6, 10**6)])
    first, second, third = sorted(found.bars, key=lambda each: each.x)
    assert first.y != second.y
    assert third.y == first.y


def test_the_line_of_time_says_what_it_marks() -> None:
    found = fall([call(10**15, 1), call(10**15 + 294 * 10**6, 10**6)])
    assert [said for _, said in found.ticks] == ["0 ms", "59.0 s", "1 min 58 s", "2 min 57 s", "3 min 56 s"]


def test_how_a_call_ended() -> None:
    assert kind_of(call(1, 1)) == "allowed"
    assert kind_of(call(1, None)) == "open"
    assert kind_of(call(1, 1, cut=True)) == "cut"
    assert kind_of(call(1, None, answer="deny")) == "denied"


@given(st.text())
def test_a_name_is_short_and_turns_nothing_else_round(name: str) -> None:
    shown = short(name)
    assert len(shown) <= 28
    assert (shown[0], shown[-1]) == ("\u2068", "\u2069")


def test_a_command_quotes_what_a_shell_would_read() -> None:
    assert quoted("invoice-bot") == "invoice-bot"
    assert quoted("x; rm -rf ~") == "'x; rm -rf ~'"
    assert quoted("it's") == "'it'\\''s'"
    assert quoted("-n") == "'-n'"
    assert quoted("") == "''"
