"""One server on SQLite, as people and agents meet it: spends stay spent over a kill, and conditions are told."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.running import Home, upstream
from tests.fault import estate
from tests.fault.calls import Agent
from tests.fault.serving import Server
from tests.fault.test_two_servers_limits import ORDER, PAY, SPEND, apply, at_once

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
WINDOWS = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00", "zone": "UTC"}]


@pytest.mark.timeout(180)
def test_limits_hold_over_a_kill_and_are_told(tmp_path: Path) -> None:
    home, files = Home(tmp_path / "home"), tmp_path / "files"
    home.path.mkdir(mode=0o700)
    with (
        upstream("payments", tmp_path / "payments.jsonl") as payments,
        upstream("crm", tmp_path / "crm.jsonl") as crm,
        Server(home) as server,
    ):
        server.start()
        estate.register(server, files, payments=payments, crm=crm)
        spent(server, files)
        told(server, files)
        done = server.remit("audit", "verify")
        assert done.code == 0, done.err


def copy(server: Server, files: Path, name: str, purpose: str, on: str) -> Agent:
    """A running copy of an agent, with a key of its own."""
    return Agent(server.url, name, estate.key_file(files, name), purpose, on)


def spent(server: Server, files: Path) -> None:
    """Acceptance test 17, with a crash in between."""
    apply(server, "boundary", SPEND)
    copies = [copy(server, files, "invoice-bot", "pay-invoices", "payments") for _ in range(3)]
    said = at_once(*[(each, "transfer", PAY) for each in copies])
    assert Counter(each.code or each.kind for each in said) == {"allowed": 2, "budget_exhausted": 1}
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    server.start()
    assert copies[0].call("transfer", PAY).code == "budget_exhausted"
    assert copies[1].call("transfer", PAY | {"amount": 1000.0}).kind == "allowed"
    assert copies[2].call("transfer", PAY | {"amount": 0.01}).code == "budget_exhausted"
    for each in copies:
        each.http.close()


def told(server: Server, files: Path) -> None:
    """What the boundary asks is shown to people, told to the agent, and answered when it asks before it calls."""
    bounded = ORDER | {"allow": [{**each, "windows": WINDOWS} for each in ORDER["allow"]]}
    apply(server, "boundary", bounded)
    done = server.remit("boundary", "show", "support-bot-crm", "--json")
    shown = next(each for each in json.loads(done.out)["versions"] if each["state"] == "active")
    rules = {each["action"]: each for each in shown["rules"]}
    note = next(each for each in ORDER["allow"] if each["action"] == "crm/update_note")
    assert (rules["crm/update_note"]["sequence"], rules["crm/update_note"]["windows"]) == (note["sequence"], WINDOWS)
    plain = server.remit("boundary", "show", "support-bot-crm").out
    assert "windows days mon|tue|wed|thu|fri|sat|sun, from 00:00, to 24:00, zone UTC" in plain
    with copy(server, files, "support-bot", "answer-customers", "crm") as agent:
        asked = {"action": "crm/update_note", "arguments": {"customer": "c-17", "note": "n"}}

        def can() -> str:
            answer = agent.http.post(f"{server.url}/v1/me/can", json=asked).json()
            return "ok" if answer["decision"] else str(answer["denial"]["code"])

        assert can() == "sequence_required"
        assert agent.call("get_customer", {"customer": "c-17"}).kind == "allowed"
        assert can() == "ok"
        listed = tools(agent, server)
        assert listed["update_note"]["_meta"]["dev.remit/conditions"]["any_of"] == [
            {"windows": WINDOWS, "sequence": note["sequence"]}
        ]


def tools(agent: Agent, server: Server) -> dict[str, dict[str, Any]]:
    """What is listed for it."""
    assert agent.last is not None
    headers = {
        name: agent.last.headers[name] for name in ("Content-Type", "Accept", "MCP-Protocol-Version")
    } | {"Mcp-Method": "tools/list"}  # fmt: skip
    meta = json.loads(agent.last.content)["params"]["_meta"]
    body = LIST | {"params": {"_meta": meta}}
    answer: httpx2.Response = agent.http.post(f"{server.url}/mcp/crm", json=body, headers=headers)
    return {each["name"]: each for each in answer.json()["result"]["tools"]}
