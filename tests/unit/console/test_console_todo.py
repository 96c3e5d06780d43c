"""What a person should do now counts what the tiles beside it count."""

from __future__ import annotations

from remit.console.pages.overview import todo


def test_two_requests_of_one_agent_are_two_requests() -> None:
    (one,) = todo({"requests": 2, "freezes": 0, "words": 0, "reviews": 0}, [], [])
    assert one["said"] == "2 access requests wait for somebody's yes"
