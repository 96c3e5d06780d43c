"""What a person should do now counts what the tiles beside it count."""

from __future__ import annotations

from typing import Any

from remit.console.pages.overview import todo

NOTHING: dict[str, Any] = {"freezes": 0, "requests": 0, "words": 0, "reviews": 0, "changed": [], "proposed": []}


def test_two_requests_of_one_agent_are_two_requests() -> None:
    (one,) = todo({**NOTHING, "requests": 2}, [], [])
    assert one["said"] == "2 access requests wait for somebody's yes"


def test_what_changed_itself_and_what_waits_for_an_owner_is_there_with_its_command() -> None:
    changed, proposed = todo({**NOTHING, "changed": ["crm"], "proposed": ["bot-pays", "bot-reads"]}, [], [])
    assert changed["said"] == "1 server has tools that nobody has looked at: agents may not call them"
    assert changed["try"] == "remit server review crm"
    assert proposed["said"] == "2 boundaries wait for an owner's approval"
    assert proposed["try"] == "remit boundary show bot-pays"


def test_the_three_worst_stand_there() -> None:
    many = {**NOTHING, "freezes": 1, "requests": 1, "changed": ["crm"], "words": 1, "reviews": 1}
    assert [each["mood"] for each in todo(many, [{"secret": "key", "exposed": "now"}], ["idle"])] == [
        "bad",
        "bad",
        "wait",
    ]
