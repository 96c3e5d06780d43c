"""A server that sends an agent's user to a URL, each way there is: at a host that a boundary lists, and elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from tests.e2e.peers import Peer, behind, upstream
from tests.e2e.running import Home

SERVER = Path(__file__).with_name("asking_server.py")
TOOLS = ["ask", "need", "require"]
GRANT = {
    "action": "asking:elicitation/create", "first_use": "auto",
    "when": {"mode": {"in": ["url"]}, "url_host": {"in": ["login.example"]}},
}  # fmt: skip
GOOD = "https://login.example/oauth?client=1"
ELSEWHERE = [
    "https://evil.test/login.example", "https://login.example.evil.test/", "https://login.example@evil.test/",
    "http://login.example/", "https://login.example:8443@evil.test/", "https://login.example\\@evil.test/",
    "javascript:fetch('https://login.example')", "https://LOGIN.example.%65vil.test/", "//login.example/",
]  # fmt: skip


@dataclass
class Asked:
    """The server behind Remit, and the official client with a user who goes wherever it is sent."""

    home: Home
    peer: Peer
    ledger: Path
    sent: list[str] = field(default_factory=list)  # where the user was sent
    before: set[str] = field(default_factory=set)  # the entries that there were before the last call

    async def elicited(self, _context: Any, params: Any) -> types.ElicitResult:
        self.sent.append(params.url)
        return types.ElicitResult(action="accept")

    def call(self, tool: str, url: str) -> Any:
        """What the client makes of one call: its result, or the error it raised."""

        async def main() -> Any:
            mode = "2026-07-28" if tool == "require" else "legacy"
            async with self.peer.client(mode, direct=False, elicitation_callback=self.elicited) as client:
                try:
                    return await client.call_tool(tool, {"url": url})
                except MCPError as error:
                    return error

        self.sent.clear()
        self.before = {row["id"] for row in self._entries()}
        return asyncio.run(main())

    def _entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.home.remit("audit", "tail", "-n", "60", "--json").json["entries"]
        return found

    def questions(self) -> list[tuple[str, str]]:
        """The decisions on what the server asked since the call began: yes or no, and with which code."""
        rows = [row for row in self._entries() if row["id"] not in self.before and row["kind"] == "decision"]
        return [(row["decision"], row.get("code", "")) for row in rows if row["action"] == GRANT["action"]]

    def answered(self) -> list[str]:
        return self.ledger.read_text("utf-8").splitlines() if self.ledger.exists() else []


@pytest.fixture
def asked(home: Home, tmp_path: Path) -> Iterator[Asked]:
    ledger = tmp_path / "ledger"
    command = [sys.executable, str(SERVER), str(ledger)]
    with upstream(command, os.environ, tmp_path / "server.log") as url, home.up("--dev", "--refresh", "1h") as up:
        yield Asked(home, behind(home, up, tmp_path / "files", "asking", url, [*TOOLS, GRANT]), ledger)


def test_at_a_listed_host_the_user_is_asked_and_the_answer_carried_back(asked: Asked) -> None:
    for tool in ("ask", "require"):
        done = asked.call(tool, GOOD)
        assert (asked.sent, done.is_error, done.content[0].text) == ([GOOD], False, "accept")
        assert asked.questions() == [("allow", "")]
    assert asked.answered() == ["accept", "accept"]
    needed = asked.call("need", GOOD)
    assert (needed.code, needed.data["elicitations"][0]["url"]) == (types.URL_ELICITATION_REQUIRED, GOOD)
    assert asked.questions() == [("allow", "")]


@pytest.mark.parametrize("tool", TOOLS)
def test_elsewhere_nobody_is_sent_and_that_is_one_entry(asked: Asked, tool: str) -> None:
    for url in ELSEWHERE:
        done = asked.call(tool, url)
        assert asked.sent == [], url
        assert asked.questions() == [("deny", "constraint_violated")], url
        if tool == "ask":  # the server is told that there is no such method, and the tool makes an error of that
            assert "Method not found" in str(done)
        else:  # the agent is told what was denied, and never the URL
            denial = done.structured_content
            assert (done.is_error, denial["code"], denial["action"]) == (True, "constraint_violated", GRANT["action"])
            assert url not in str(done.content)
    assert asked.answered() == []
