"""The official client with real tokens, through a real `remit up`, as it is at the official server itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from tests.e2e.peers import Peer, behind, plainly, upstream
from tests.e2e.running import Home

MODES = ["auto", "legacy", "2026-07-28"]
GRANTED = [
    "list_invoices",
    "count",
    {"action": "payments/transfer", "when": {"amount": {"max": "500.00"}}},
]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("list_invoices", {}),
    ("transfer", {"amount": 12.5, "currency": "EUR"}),
    ("transfer", {"amount": 12.5, "currency": "XXX"}),  # the server says no
    ("count", {"to": 2}),
]


@pytest.fixture(params=["json", "stream"])
def peer(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Peer]:
    command = [sys.executable, str(Path(__file__).with_name("sdk_server.py")), str(tmp_path / "ledger"), request.param]
    with upstream(command, os.environ, tmp_path / "server.log") as url, home.up("--dev") as up:
        yield behind(home, up, tmp_path / "files", "payments", url, GRANTED)


async def seen(client: Client) -> dict[str, Any]:
    """All that an agent can see of a server."""
    heard: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    return {
        "protocol": client.protocol_version,
        "server": client.server_info and plainly(client.server_info),
        "tools": {tool.name: plainly(tool) for tool in (await client.list_tools()).tools},
        "results": [plainly(await client.call_tool(name, arguments)) for name, arguments in CALLS],
        "counted": plainly(await client.call_tool("count", {"to": 5}, progress_callback=hear)),
        "progress": heard,
    }


def test_the_official_client_sees_the_server_itself_in_every_mode(peer: Peer, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(mode: str) -> None:
        ledger.write_text("", encoding="utf-8")
        async with peer.client(mode, direct=True) as client:
            expected = await seen(client)
        assert expected["tools"].pop("delete_all")
        # What the boundary bounds stands in the list that the agent sees.
        expected["tools"]["transfer"]["inputSchema"]["properties"]["amount"]["maximum"] = 500
        executed = ledger.read_text(encoding="utf-8")
        ledger.write_text("", encoding="utf-8")
        async with peer.client(mode, direct=False) as client:
            found = await seen(client)
            denied = await client.call_tool("transfer", {"amount": 900, "currency": "EUR"})
            with pytest.raises(Exception, match="Unknown tool: delete_all"):
                await client.call_tool("delete_all", {})
        assert found == expected
        assert denied.is_error
        assert (denied.structured_content or {})["code"] == "constraint_violated"
        assert ledger.read_text(encoding="utf-8") == executed, "what was refused did not arrive"

    for mode in MODES:
        asyncio.run(scenario(mode))
