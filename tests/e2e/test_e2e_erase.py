"""`remit agent erase` as two people run it: what was recorded is unreadable, and the log still proves itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.peers import behind, transfers, upstream
from tests.e2e.running import Home, ok
from tests.e2e.test_e2e_approvals import Agent
from tests.e2e.test_e2e_enforcement_points import applied, registered


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return () if request.param == "sqlite" else ("--database", str(request.getfixturevalue("postgres_url")))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("sdk_server.py")), str(tmp_path / "ledger"), "json"]
    with upstream(command, os.environ, tmp_path / "server.log") as url:
        yield url


def test_two_people_erase_what_was_recorded(home: Home, tmp_path: Path, server: str, database: tuple[str, ...]) -> None:
    with home.up("--dev", *database) as up:
        peer = behind(home, up, tmp_path / "files", "payments", server, ["transfer", "count"])
        assert asyncio.run(transfers(peer)) == [False, False, False]
        decision = newest(home)
        assert ok(home.remit("why", decision, "--json")).json["arguments"] == {"to": 1}
        early = home.remit("agent", "erase", "bot", "--as", "dana")
        assert (early.code, "retired" in early.err) == (9, True), "of an agent at work nothing is erased"
        ok(home.remit("agent", "retire", "bot", "--as", "dana"))
        owner = home.remit("agent", "erase", "bot", "--as", "dana")
        assert (owner.code, "nothing is erased yet" in owner.out) == (11, True), owner.err
        assert ok(home.remit("why", decision, "--json")).json["arguments"] == {"to": 1}
        assert home.remit("agent", "erase", "bot", "--as", "dana").code == 11, "one person is not two"
        done = ok(home.remit("agent", "erase", "bot", "--as", "lee"))
        assert done.out.startswith("bot: erased")
        assert ok(home.remit("why", decision, "--json")).json["arguments"] == "erased"
        assert "erased" in ok(home.remit("why", decision)).out
        verified = ok(home.remit("audit", "verify"))
        assert "keys were erased" in verified.out, verified.out
        said = ok(home.remit("audit", "find", "--kind", "change", "--json")).json["entries"]
        (entry,) = [each for each in said if each.get("change") == "erase"]
        assert (entry["name"], entry["by"], entry["as"], entry["first"]) == ("bot", "admin", "lee", "dana")
    with home.up("--dev", *database):
        assert ok(home.remit("why", decision, "--json")).json["arguments"] == "erased"
        simulated = ok(home.remit("policy", "simulate", "--json")).json
        assert simulated["not_replayable"] == {"erased": simulated["decisions"]}
        assert home.remit("agent", "erase", "bot", "--as", "dana").code == 11, "a second time takes two people again"
        ok(home.remit("doctor"))


def test_what_it_asked_for_goes_too(home: Home, files: Path) -> None:
    with home.up("--dev") as up:
        applied(home, files)
        agent = Agent(registered(home, up.ready["api"]), files / "agents" / "invoice-bot")
        name = agent.asks(agent.denied())[2]["task"]["id"]
        assert ok(home.remit("approval", "show", name, "--json", "--as", "lee")).json["why"] == "invoice 17"
        ok(home.remit("agent", "retire", "invoice-bot", "--as", "dana"))
        assert home.remit("agent", "erase", "invoice-bot", "--as", "dana").code == 11
        ok(home.remit("agent", "erase", "invoice-bot", "--as", "lee"))
        shown = ok(home.remit("approval", "show", name, "--json", "--as", "lee")).json
        assert (shown["arguments"], shown["why"]) == (None, None), "nor in its own words"
        assert home.remit("approval", "approve", name, "--as", "lee").code == 9
        ok(home.remit("approval", "deny", name, "--as", "lee"))
        ok(home.remit("audit", "verify", "--data", str(home.data)))
        ok(home.remit("doctor"))
        said = ok(home.remit("audit", "find", "--where", "name=invoice-bot", "--json")).json["entries"]
        assert [each["change"] for each in said][:2] == ["erase", "asked"], "who said so first is found by its name"
    with home.up("--dev"):
        ok(home.remit("doctor"))


def newest(home: Home) -> str:
    """The last decision, once it has its place."""
    for _ in range(40):
        found = ok(home.remit("audit", "find", "--action", "payments/count", "--json")).json["entries"]
        if found := [each for each in found if each["kind"] == "decision"]:
            return str(found[0]["id"])
    raise AssertionError("not every decision got its place in the log")
