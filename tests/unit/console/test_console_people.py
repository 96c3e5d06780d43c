"""What people are asked next, what their answers stop, and how often they said the same yes today."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.console.pages.requests import alike, said_in
from remit.console.pages.reviews import effects, following

QUESTIONS = st.lists(
    st.builds(
        lambda name, due, who: {"question": f"qst_{name}", "due": due, "assigned": who},
        st.integers(0, 30), st.sampled_from(["2026-01-01", "2026-02-01"]), st.sampled_from(["dana", "lee"]),
    ),
    unique_by=lambda each: str(each["question"]), max_size=8,
)  # fmt: skip


@given(QUESTIONS, st.sampled_from(["dana", "lee", "vera"]))
def test_the_queue_goes_through_all_of_ones_own_questions_once(asked: list[dict[str, Any]], person: str) -> None:
    mine = [each for each in asked if each["assigned"] == person] or asked
    seen, at = [], following(asked, "", person)
    while at and at not in seen:
        seen.append(at)
        at = following(asked, at, person)
    assert sorted(seen) == sorted(each["question"] for each in mine)
    due = {each["question"]: each["due"] for each in asked}
    assert [due[each] for each in seen] == sorted(due[each] for each in seen), "what ends first comes first"


def test_what_an_answer_stops_is_told_for_each() -> None:
    shown = {"actions": ["a/b"], "count": 1, "uses_90": 4, "would_be_denied_30": 2, "idle_days": 3}
    nothing = {"actions": [], "count": 0, "uses_90": 0, "would_be_denied_30": 0, "idle_days": None}
    assert effects({"end": shown, "narrow": nothing, "note": "text"}) == [
        {"said": "revoke", "denied": 2, "uses": 4, "idle": 3, "actions": ["a/b"]},
        {"said": "narrow", "denied": 0, "uses": 0, "idle": None, "actions": []},
    ]
    assert effects({}) == []


def test_arguments_stand_as_they_would_be_sent() -> None:
    assert said_in('{"amount": 400.50, "n": 12345678901234567890, "to": "x"}') == {
        "amount": "400.50", "n": "12345678901234567890", "to": "x",
    }  # fmt: skip
    assert said_in(None) is None
    assert said_in("[1]") is None


def test_the_same_yes_is_counted_for_one_person_and_day() -> None:
    def yes(name: str, *, by: str = "dana", at: str = "2026-11-28T09:00:00Z", action: str = "p/t") -> dict[str, Any]:
        return {"request": name, "yes": [by], "decided": at, "agent": "bot", "action": action}

    one = yes("now")
    said = [one, yes("1"), yes("2"), yes("3", action="p/o"), yes("4", by="lee"), yes("5", at="2026-11-27T23:59:59Z")]
    assert alike(said, one, "dana", day="2026-11-28") == {"all": 3, "same": 2}
    assert alike([{**one, "decided": None}], yes("x"), "dana", day="2026-11-28") == {"all": 0, "same": 0}
