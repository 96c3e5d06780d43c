"""34: a credential in the hands of a workload that nobody registered: no way through Remit, and a trace round it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.desks import Desk, standing
from tests.e2e.running import Home


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    with standing(Home(path), tmp_path) as found:
        yield found


def test_who_is_not_registered_gets_nothing_through_remit(desk: Desk) -> None:
    done = desk.home.remit("mcp", "stdio", "--agent", "stranger", "--server", "files", stdin="")
    assert (done.code, done.out) == (5, "")


def test_uses_without_a_decision_are_found_when_the_servers_log_is_imported(desk: Desk, tmp_path: Path) -> None:

    async def scenario(client: Any) -> None:
        for amount in (1, 2):
            await client.call_tool("spent", {"amount": amount})

    desk.play("auto", scenario)
    assert desk.home.remit("usage", "register", "files-log", "--server", "files").code == 0
    now = datetime.now(UTC)
    lines = [
        {"kind": "use", "at": _at(now), "id": "1", "agent": "bot", "action": "files/spent"},
        {"kind": "use", "at": _at(now), "id": "2", "agent": "bot", "action": "files/spent"},
        {"kind": "use", "at": _at(now), "id": "3", "agent": "bot", "action": "files/spent"},  # one more than decided
        {"kind": "use", "at": _at(now), "id": "4", "agent": "stranger", "action": "files/spent"},
        {"kind": "use", "at": _at(now - timedelta(hours=5)), "id": "5", "agent": "bot", "action": "files/whoami"},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = desk.home.remit("usage", "import", str(log), "--source", "files-log", "--json")
    found = {(row["agent"], row["action"]): row for row in done.json["shadows"]}
    assert {key: row["count"] for key, row in found.items()} == {
        ("bot", "files/spent"): 1, ("stranger", "files/spent"): 1, ("bot", "files/whoami"): 1,
    }  # fmt: skip
    told = desk.home.remit("coverage", "--json")  # recorded before the import was answered
    assert told.code == 9
    recorded = {(row["agent"], row["action"]): row for row in told.json["shadows"]}
    assert recorded.keys() == found.keys()
    assert recorded["stranger", "files/spent"]["registered"] is False
    # The same again finds nothing new.
    desk.home.remit("usage", "import", str(log), "--source", "files-log")
    again = desk.home.remit("coverage", "--json")
    assert again.json["shadow_count"] == told.json["shadow_count"]
    # One more, in a later import: the decisions that are near it account for others already.
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps(lines[0] | {"id": "6"}) + "\n", encoding="utf-8")
    (row,) = desk.home.remit("usage", "import", str(more), "--source", "files-log", "--json").json["shadows"]
    assert (row["agent"], row["action"], row["count"]) == ("bot", "files/spent", 1)
    notices = desk.home.remit("notices", "--json")
    assert "without any decision" in notices.out


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
