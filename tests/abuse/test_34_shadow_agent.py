"""34: a credential in the hands of a workload that nobody registered: no way through Remit, and a trace round it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.abuse.shop import message, shop, transfer
from tests.e2e.desks import Desk, standing
from tests.e2e.running import PATIENCE, Home


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    with standing(Home(path), tmp_path) as found:
        yield found


def test_who_is_not_registered_gets_nothing_through_remit(desk: Desk) -> None:
    done = desk.home.remit("mcp", "stdio", "--agent", "stranger", "--server", "files", stdin="")
    assert (done.code, done.out) == (5, "")
    assert not desk.ledger.exists(), "nothing was started, and nothing called"
    told = refusals(desk)
    assert [(each["door"], each["error"]) for each in told] == [("token", "invalid_client")], told


@pytest.mark.parametrize("over_http", [False, True])
def test_a_workload_that_nobody_registered_is_told_nothing_and_leaves_one_entry(
    play: Callable[[Any], None],
    over_http: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Also with a token that is good: of an agent that is gone, or was never there."""

    async def scenario(world: Any) -> None:
        watch = await shop(world)

        def ask(agent: str) -> Any:
            if over_http:
                return world.ask("GET", "/http/api/orders/1", agent=agent)
            return world.post("payments", message(transfer()), agent=agent)

        status, code = (404, "not_found") if over_http else (200, "-32602")
        for agent in ("stranger", "other"):  # who is there, and may not, is told the same
            entry = {"kind": "decision", "decision": "deny", "agent": agent, "code": "not_visible"}
            await watch.refused(ask(agent), status, code, what=agent, **entry)
        await watch.passes(ask("bot"))

    play(scenario)


def refusals(desk: Desk) -> Any:
    """The entries of what was refused."""
    token = Path(desk.up.ready["admin_token_file"]).read_text(encoding="utf-8").strip()
    answer = httpx2.get(
        desk.up.ready["api"] + "/v1/decisions?kind=refused&limit=1000", headers={"Authorization": f"Bearer {token}"},
        timeout=PATIENCE, trust_env=False,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    return answer.json()["entries"]


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
