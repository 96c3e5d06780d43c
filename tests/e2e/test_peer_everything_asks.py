"""What npm's server-everything asks of its agent's user, through a real `remit up`; needs npm.

Its tools for that are there for clients that say they can be asked, and for no others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from tests.e2e.peers import Peer, behind, upstream
from tests.e2e.running import Home
from tests.e2e.test_peer_everything import EVERYTHING, installed

pytestmark = [
    pytest.mark.slow, pytest.mark.timeout(600),
    # The SDK says so of what the modern revision has deprecated (SEP-2577), and it is spoken all the same.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]  # fmt: skip
SAMPLE, FORM, URL = "trigger-sampling-request", "trigger-elicitation-request", "trigger-url-elicitation"
TOOLS = ["echo", SAMPLE, FORM, URL]
SAMPLING = {"action": "everything:sampling/createMessage", "when": {"maxTokens": {"max": "100"}}}
FORMS = {"action": "everything:elicitation/create", "when": {"mode": {"in": ["form"]}}}
PAGES = {
    "action": "everything:elicitation/create",
    "when": {"mode": {"in": ["url"]}, "url_host": {"in": ["login.example"]}},
}


@dataclass
class User:
    """Who answers what a server asks; `asked` is what it was asked."""

    asked: list[Any] = field(default_factory=list)

    async def sampled(self, _context: Any, params: Any) -> types.CreateMessageResult:
        self.asked.append(params.max_tokens)
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="a model's words"), model="none"
        )

    async def elicited(self, _context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(getattr(params, "url", params.mode))
        return types.ElicitResult(action="accept", content=None if params.mode == "url" else {"name": "Ada"})

    @property
    def declared(self) -> dict[str, Any]:
        return {"sampling_callback": self.sampled, "elicitation_callback": self.elicited}


@contextlib.contextmanager
def standing(request: pytest.FixtureRequest, home: Home, tmp_path: Path, *grants: dict[str, Any]) -> Iterator[Peer]:
    """The server behind Remit, with its tools and these asks of its granted. Tools are imported again all the time."""
    assert request.config.cache is not None
    package = installed(EVERYTHING, request.config.cache) / "@modelcontextprotocol" / "server-everything"
    shim = Path(__file__).with_name("loopback.cjs")
    command = ["node", "--require", str(shim), str(package / "dist" / "index.js"), "streamableHttp"]
    environ = {"PATH": os.environ["PATH"], "PORT": "0", "LEDGER": str(tmp_path / "ledger")}
    with upstream(command, environ, tmp_path / "server.log") as url, home.up("--dev", "--refresh", "1s") as up:
        yield behind(home, up, tmp_path / "files", "everything", url, [*TOOLS, *grants])


async def called(client: Any, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Whether a call failed, and what it said."""
    try:
        done = await client.call_tool(tool, arguments)
    except MCPError as error:
        return True, str(error)
    return bool(done.is_error), " ".join(each.text for each in done.content if each.type == "text")


def refusals(home: Home) -> list[tuple[str, str]]:
    """What was asked and refused, by the log: the method and why."""
    rows = home.remit("audit", "tail", "-n", "200", "--json").json["entries"]
    asked = [(row["action"].partition(":")[2], row["code"]) for row in rows if row.get("decision") == "deny"]
    return asked + [(row["method"], row["reason"]) for row in rows if row.get("reason") == "server_request"]


def test_where_it_is_granted_it_works_as_it_does_directly(
    request: pytest.FixtureRequest, home: Home, tmp_path: Path
) -> None:
    async def play(peer: Peer, *, direct: bool) -> list[Any]:
        user = User()
        async with peer.client("legacy", direct=direct, **user.declared) as client:
            listed = {tool.name for tool in (await client.list_tools()).tools}
            assert set(TOOLS) <= listed
            found = [await called(client, SAMPLE, prompt="Hi", maxTokens=100), await called(client, FORM)]
            assert [failed for failed, _ in found] == [False, False], found
            return [user.asked, found]

    with standing(request, home, tmp_path, SAMPLING, FORMS) as peer:
        through = asyncio.run(play(peer, direct=False))
        assert through == asyncio.run(play(peer, direct=True))
        assert through[0] == [100, "form"]
        assert "a model's words" in through[1][0][1]
        assert "Ada" in through[1][1][1]
        assert refusals(home) == []


def test_what_is_out_of_bounds_or_not_granted_reaches_no_user(
    request: pytest.FixtureRequest, home: Home, tmp_path: Path
) -> None:
    async def play(peer: Peer) -> list[tuple[bool, str]]:
        user = User()
        async with peer.client("legacy", direct=False, **user.declared) as client:
            await client.list_tools()
            found = [
                await called(client, SAMPLE, prompt="Hi", maxTokens=101),
                await called(client, FORM),
                await called(client, URL, url="https://evil.test/login.example"),
                await called(client, URL, url="https://login.example/go", elicitationId="e1"),
            ]
        assert user.asked == ["https://login.example/go"]
        return found

    with standing(request, home, tmp_path, SAMPLING, PAGES) as peer:
        found = asyncio.run(play(peer))
        assert [failed for failed, _ in found] == [True, True, True, False], found
        assert all("Method not found" in said for failed, said in found if failed)
        assert sorted(refusals(home)) == sorted(
            [
                ("sampling/createMessage", "constraint_violated"), ("elicitation/create", "constraint_violated"),
                ("elicitation/create", "constraint_violated"),
            ]
        )  # fmt: skip


def test_without_a_grant_its_tools_for_that_are_not_there(
    request: pytest.FixtureRequest, home: Home, tmp_path: Path
) -> None:
    """The server is told of nothing that the agent may not be asked; so it has no such tools for it."""

    async def play(peer: Peer) -> list[tuple[bool, str]]:
        user = User()
        async with peer.client("legacy", direct=False, **user.declared) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["echo"]
            found = [await called(client, SAMPLE, prompt="Hi"), await called(client, FORM)]
            assert await called(client, "echo", message="still there") == (False, "Echo: still there")
        assert user.asked == []
        return found

    with standing(request, home, tmp_path) as peer:
        found = asyncio.run(play(peer))
        assert [failed for failed, _ in found] == [True, True]
        # And that one agent is not offered them takes them from no other: nothing waits for a person.
        assert home.remit("server", "review", "everything", "--json").json["changes"] == []
