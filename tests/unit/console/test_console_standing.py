"""What the overview and the agents' table say of an agent holds at this moment, not when the day was counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from remit.agents.model import AgentState
from remit.console.pages.agents import standing, stopped
from remit.console.pages.overview import unused


def seen(agent: str, last_seen: str | None, *, granted: int | None = 2, used: int = 0) -> dict[str, Any]:
    return {"agent": agent, "granted": granted, "used": used, "last_seen": last_seen}


def test_who_worked_since_the_day_was_counted_is_not_said_to_use_nothing() -> None:
    roster = [
        seen("idle", "2026-11-27T23:59:59.000000Z"), seen("never", None), seen("back", "2026-11-28T00:00:00.000000Z"),
        seen("busy", None, used=1), seen("new", None, granted=None),
    ]  # fmt: skip
    assert unused(roster, "2026-11-28") == ["idle", "never"]
    assert unused(roster, None) == []


@pytest.mark.parametrize("freeze", [("agent", "bot"), ("owner", "dana"), ("all", "*")])
def test_an_agent_is_frozen_by_whatever_stops_all_it_does(freeze: tuple[str, str]) -> None:
    agents = {"bot": SimpleNamespace(agent=SimpleNamespace(owner="dana", state=AgentState.ACTIVE))}
    view: Any = SimpleNamespace(freezes={freeze: "frz_1"}, agents=agents)
    assert stopped(view, "bot", "dana")
    assert standing(view) == {"frozen": 1}
    free: Any = SimpleNamespace(freezes={("server", "crm"): "frz_2", ("agent", "other"): "frz_3"}, agents=agents)
    assert not stopped(free, "bot", "dana")
    assert standing(free) == {"active": 1}
