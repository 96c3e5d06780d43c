"""The same refused calls at the doors of a real Remit: `remit can --json`, an enforcement point, MCP and `remit run`.

Every code at every door in process: `tests/interaction/enforcement/test_denials_alike.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.e2e.running import AGENT, Home, Up

from remit.sdk.auth import AgentAuth

OF_ONE_DECISION = ("decision_id", "epoch", "evaluated_at")
REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "constraint_violated": ({"to": "Acme", "amount": 900.5, "currency": "USD"}, 10),
    "invalid_arguments": ({"to": "Acme", "amount": "soon", "currency": "EUR"}, 10),
    "approval_required": ({"to": "Acme", "amount": 300, "currency": "EUR"}, 11),
}
COMMAND = """
import asyncio, json, os, sys
from mcp import Client
async def main():
    async with Client(os.environ["REMIT_MCP_URL"]) as client:
        for arguments in json.loads(sys.argv[1]):
            print(json.dumps((await client.call_tool("transfer", arguments)).structured_content))
asyncio.run(main())
"""


def plain(denial: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in denial.items() if name not in OF_ONE_DECISION}


@pytest.fixture
def key(home: Home, served: Up, files: Path) -> Path:
    """The agent's key; this user's processes are the agent, too."""
    text = AGENT.replace(
        "invoice-bot.pub.jwk}}]", f"invoice-bot.pub.jwk}}}}, {{local_process: {{uid: {os.getuid()}}}}}]"
    )
    (files / "agents" / "invoice-bot.yaml").write_text(text, encoding="utf-8")
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    return files / "agents" / "invoice-bot"


def operators(home: Home, code: str) -> dict[str, Any]:
    arguments, exit_code = REFUSED[code]
    said = home.remit("can", "invoice-bot", "payments/transfer", "--args", json.dumps(arguments), "--json")
    assert said.code == exit_code, said.err
    denial: dict[str, Any] = said.json["denial"]
    return plain(denial)


def pointed(api: str, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
    question = {
        "subject": {"type": "agent", "id": "invoice-bot"},
        "action": {"name": "payments/transfer"},
        "resource": {"type": "server", "id": "payments"},
        "context": {"purpose": "pay-invoices", "arguments": arguments},
    }
    with httpx2.Client(trust_env=False, timeout=20) as http:
        headers = {"authorization": f"Bearer {token}"}
        context: dict[str, Any] = http.post(f"{api}/access/v1/evaluation", json=question, headers=headers).json()[
            "context"
        ]
    return context


def called(api: str, key: Path, mode: str) -> list[dict[str, Any]]:
    async def scenario() -> list[dict[str, Any]]:
        http = httpx2.AsyncClient(auth=AgentAuth(api, "invoice-bot", key, "pay-invoices"), trust_env=False)
        async with http, Client(streamable_http_client(f"{api}/mcp/payments", http_client=http), mode=mode) as client:
            found = [await client.call_tool("transfer", arguments) for arguments, _ in REFUSED.values()]
        return [plain(each.structured_content or {}) for each in found]

    return asyncio.run(scenario())


def test_a_refusal_is_told_alike_by_every_process(home: Home, served: Up, key: Path) -> None:
    api = served.ready["api"]
    expected = [operators(home, code) for code in REFUSED]
    assert [each["code"] for each in expected] == list(REFUSED)
    token = home.remit("pep", "add", "edge", "--json").json["token"]
    assert [pointed(api, token, arguments) for arguments, _ in REFUSED.values()] == expected
    for mode in ("2026-07-28", "legacy"):
        assert called(api, key, mode) == expected
    asked = json.dumps([arguments for arguments, _ in REFUSED.values()])
    done = home.remit("run", "--agent", "invoice-bot", "--", sys.executable, "-c", COMMAND, asked)
    assert done.code == 0, done.err
    assert [plain(json.loads(line)) for line in done.out.splitlines()] == expected
