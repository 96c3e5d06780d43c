"""What bounds an agent's calls, and how much of it is used: command, door and the console's page say the same."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.browsing import Browser, link
from tests.e2e.running import PATIENCE, Home, Up, ok, waited

from remit.sdk.auth import AgentAuth

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
BOUNDARY = """\
boundary: invoice-bot-payments
agent: invoice-bot
purpose: pay-invoices
allow:
  - {action: "payments/list_*"}
  - action: payments/transfer
    when: {amount: {max: "500.00"}, currency: {in: [EUR]}}
    limits:
      rate: 30/day
      budget: {argument: amount, max: "1000.00", per: month}
      volume: {bytes: 10MB, per: month}
    windows: [{days: [mon..sun], from: "00:00", to: "24:00", zone: Europe/Berlin}]
    first_use: auto
not_after: 2029-03-31
"""
DOOR = "/v1/agents/invoice-bot/limits"


@pytest.fixture
def agent(home: Home, served: Up, files: Path) -> AgentAuth:
    (files / "boundaries" / "invoice-bot.yaml").write_text(BOUNDARY, encoding="utf-8")
    (files / "agents" / "idle-bot.yaml").write_text(IDLE, encoding="utf-8")
    ok(home.remit("agent", "keygen", "idle-bot", "--out", str(files / "agents" / "idle-bot")))
    ok(home.remit("secret", "set", "payments-key", stdin="an-upstream-key"))
    ok(home.remit("apply", str(files), "--approve", "--as", "dana"))
    return AgentAuth(served.ready["api"], "invoice-bot", files / "agents" / "invoice-bot", "pay-invoices", "payments")


IDLE = """\
agent: idle-bot
owner: dana
version: "1"
purposes: [pay-invoices]
sender_constraint: dpop
not_after: 2029-06-30
attest: [{private_key_jwt: {jwk_file: idle-bot.pub.jwk}}]
"""


def transfer(agent: AgentAuth, up: Up, amount: float) -> bool:
    """Whether it went through."""
    arguments = {"to": "Acme", "amount": amount, "currency": "EUR"}
    body = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "transfer", "arguments": arguments, "_meta": META},
    }  # fmt: skip
    headers = {
        "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "transfer",
        "Accept": "application/json, text/event-stream",
    }  # fmt: skip
    with httpx2.Client(timeout=PATIENCE, trust_env=False, auth=agent) as client:
        answer = client.post(f"{up.ready['api']}/mcp/payments", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return not answer.json()["result"].get("isError")


def told(home: Home) -> dict[str, dict[str, Any]]:
    """The rows by their kinds: there is one of each."""
    rows = ok(home.remit("agent", "limits", "invoice-bot", "--json")).json["limits"]
    assert {(each["boundary"], each["action"]) for each in rows} == {("invoice-bot-payments", "payments/transfer")}
    assert [each["kind"] for each in rows] == ["rate", "budget", "volume", "hours"]
    return {each["kind"]: each for each in rows}


def test_what_is_used_is_told_wherever_one_looks(home: Home, served: Up, agent: AgentAuth) -> None:
    before = told(home)
    assert [each["used"] for each in before.values()] == [0, "0.00", 0, None]
    assert [each["max"] for each in before.values()] == [30, "1000.00", 10_000_000, None]
    assert before["hours"]["open"] is True
    assert transfer(agent, served, 100.0)
    assert transfer(agent, served, 25.5)
    assert not transfer(agent, served, 500.01), "what was refused is not counted"
    # What was held free for a result, 64 KiB, is given back with its outcome, which no answer waits for.
    after = waited(lambda: found if (found := told(home))["volume"]["used"] < 10_000 else None)
    assert [after[kind]["used"] for kind in ("rate", "budget")] == [2, "125.50"]
    assert [after[kind]["used_millionths"] for kind in ("rate", "budget")] == [66_666, 125_500]
    assert after["volume"]["used"] > 0
    page = ok(home.remit("agent", "limits", "invoice-bot"))
    rows = [re.split(r"\s{2,}", line.strip()) for line in page.out.splitlines()]
    assert rows[0] == ["boundary", "action", "limit", "used", "most", "share", "anew"]
    assert [row[2:6] for row in rows[1:3]] == [
        ["calls a day", "2", "30", "6.7 %"], ["sum of amount a month", "125.50", "1000.00", "12.6 %"],
    ]  # fmt: skip
    assert rows[4][2:4] == ["hours: mon, tue, wed, thu, fri, sat, sun 00:00-24:00 Europe/Berlin", "open"]
    assert page.err == f"  see      {served.ready['console']}/agents/invoice-bot#s-limits\n"


def test_the_console_shows_what_the_door_says(home: Home, served: Up, agent: AgentAuth) -> None:
    assert transfer(agent, served, 250.0)
    browser = Browser(served.ready["api"])
    browser.sign_in(link(home))
    status, _, text = browser.ask("GET", "/console/agents/invoice-bot")
    assert status == 200
    assert 'id="s-limits"' in text
    said = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))
    assert "250.00 of 1000.00 sum of amount a month (25 %)" in said
    assert "1 of 30 calls a day (3 %)" in said
    assert re.search(r"sum of amount a month 250.0 1000.0 25.0 %", said), said
    status, _, table = browser.ask("GET", "/console/agents/invoice-bot?format=json&table=limits")
    assert status == 200
    shown = {each["kind"]: each for each in json.loads(table)["limits"]}
    for kind, row in told(home).items():
        same = [name for name in row if name not in {"used", "opens"}]  # a number to sort by; a moment
        assert [shown[kind][name] for name in same] == [row[name] for name in same]


def test_an_agent_without_any_is_told_what_to_do_and_one_that_is_not_there_is_not_found(
    home: Home, agent: AgentAuth
) -> None:
    assert agent is not None
    none = ok(home.remit("agent", "limits", "idle-bot"))
    assert none.out == ""
    assert none.err.startswith(
        "no limits yet\n  try      limits: {rate: 30/min} at an action in boundaries/*.yaml, then remit apply DIR\n"
    )
    assert ok(home.remit("agent", "limits", "idle-bot", "--json")).json == {"agent": "idle-bot", "limits": []}
    missing = home.remit("agent", "limits", "nobody", "--json")
    assert (missing.code, missing.json["error"]["code"]) == (2, "not_found")


def test_who_may_not_read_is_refused_alike_whether_it_is_there_or_not(home: Home, served: Up, agent: AgentAuth) -> None:
    """An agent's own token opens no operator's door: what it may read of its limits stands in its mandate."""
    viewer = ok(home.remit("operator", "token", "vera", "--role", "viewer", "--json")).json["token"]
    api = served.ready["api"]
    with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
        seen = client.get(f"{api}{DOOR}", headers={"Authorization": f"Bearer {viewer}"})
        assert (seen.status_code, len(seen.json()["limits"])) == (200, 4)
        asked = [{}, {"Authorization": "Bearer no-such-token"}]
        for headers in asked:
            refused = [client.get(f"{api}{path}", headers=headers) for path in (DOOR, DOOR.replace("invoice", "no"))]
            assert [each.status_code for each in refused] == [401, 401]
            assert refused[0].content == refused[1].content
        with httpx2.Client(timeout=PATIENCE, trust_env=False, auth=agent) as own:
            assert own.get(f"{api}{DOOR}").status_code == 401
    assert json.loads(seen.content)["agent"] == "invoice-bot"
