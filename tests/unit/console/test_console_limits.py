"""What an agent's page makes of its limits: numbers to sort by, a share to draw, when each begins anew."""

from __future__ import annotations

from typing import Any

from remit.console.drawn import meters
from remit.console.pages.agent import bounding

NONE: dict[str, Any] = dict.fromkeys(("used", "max", "used_millionths", "resets", "open", "opens"))
BUDGET = {**NONE, "action": "a", "what": "sum of amount a day", "max": "10.00", "used": "2.50",
          "used_millionths": 250_000, "resets": "soon"}  # fmt: skip
VOLUME = {**NONE, "action": "b", "what": "bytes of results a day", "max": 10_000_000, "used": 9_999_999,
          "used_millionths": 999_999, "resets": "soon"}  # fmt: skip
OPEN = {**NONE, "action": "c", "what": "hours: mon", "open": True, "opens": "now"}
SHUT = {**NONE, "action": "c", "what": "hours: tue", "open": False, "opens": "later"}


def test_numbers_are_sorted_as_numbers_and_told_as_they_are() -> None:
    budget, volume, open_, shut = bounding([BUDGET, VOLUME, OPEN, SHUT])
    assert (budget["used"], budget["most"], budget["share"], budget["until"]) == (2.5, 10.0, 25.0, "soon")
    assert (budget["said"], budget["state"]) == ("2.50 of 10.00 sum of amount a day", None)
    assert volume["said"] == "9999999 of 10000000 bytes of results a day"
    assert [(each["state"], each["until"], each["share"]) for each in (open_, shut)] == [
        ("open", None, None), ("shut", "later", None),
    ]  # fmt: skip
    assert [each["action"] for each in meters(bounding([BUDGET, SHUT, VOLUME]))] == ["b", "a"], "hours are no bar"
