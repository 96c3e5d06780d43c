"""What a person should do now counts what the tiles beside it count."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from remit.console.desk import Look
from remit.console.pages.overview import figures, todo, waiting

NOTHING: dict[str, Any] = {
    "freezes": 0,
    "requests": 0,
    "words": 0,
    "reviews": 0,
    "changed": [],
    "proposed": [],
    "more": False,
}


def test_two_requests_of_one_agent_are_two_requests() -> None:
    (one,) = todo({**NOTHING, "requests": 2}, [], [])
    assert one["said"] == "2 access requests wait for somebody's yes"


def test_what_changed_itself_and_what_waits_for_an_owner_is_there_with_its_command() -> None:
    changed, proposed = todo({**NOTHING, "changed": ["crm"], "proposed": ["bot-pays", "bot-reads"]}, [], [])
    assert changed["said"] == "1 server has tools that nobody has looked at: agents may not call them"
    assert changed["try"] == "remit server review crm"
    assert proposed["said"] == "2 boundaries wait for an owner's approval"
    assert proposed["try"] == "remit boundary show bot-pays"


def test_very_many_that_wait_are_not_counted_out() -> None:
    (proposed,) = todo({**NOTHING, "proposed": ["a", "b"], "more": True}, [], [])
    assert proposed["said"] == "2 or more boundaries wait for an owner's approval"
    assert todo({**NOTHING, "more": True}, [], []) == []


def test_the_three_worst_stand_there() -> None:
    many = {**NOTHING, "freezes": 1, "requests": 1, "changed": ["crm"], "words": 1, "reviews": 1}
    assert [each["mood"] for each in todo(many, [{"secret": "key", "exposed": "now"}], ["idle"])] == [
        "bad",
        "bad",
        "wait",
    ]


class Asked:
    """Stands in for a page's look; notes what it asks."""

    view = SimpleNamespace(agents={}, freezes=())
    now = 0

    def __init__(self) -> None:
        self.paths: list[str] = []

    def get(self, path: str, **query: str) -> dict[str, Any]:
        self.paths.append(path)
        found = [{"boundary": f"b-{at}", "state": "proposed"} for at in range(1000)][: int(query.get("limit") or 1000)]
        said: dict[str, Any] = {"/v1/boundaries": {"boundaries": found}, "/v1/servers": {"servers": []}}
        return dict(said.get(path, {"words": []}))

    def maybe(self, _path: str, **_query: str) -> None:
        return None


def test_what_is_asked_for_every_few_seconds_makes_no_boundaries() -> None:
    look = Asked()
    now = {"last_minute": {"allow": 1, "deny": 0}, "running": 0, "points": []}
    figures(cast("Look", look), now, [])
    assert look.paths == ["/v1/first-words"]
    found = waiting(cast("Look", look))
    assert (len(found["proposed"]), found["more"]) == (200, True)
