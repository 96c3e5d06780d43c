"""A command that has resources and no tools: applied as reached, and read through Remit as far as its boundary goes."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from tests.e2e import peers
from tests.e2e.running import Home

HERE = Path(__file__).parent
LIST = {"action": "documents:resources/list"}
READ = {"action": "documents:resources/read", "when": {"uri": {"prefix": "memo://public/"}}}


def applied(home: Home, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """The directory, and what apply says of the server."""
    files = peers.tree(tmp_path / "files", "documents", "", [LIST, READ])
    server = {"server": "documents", "kind": "mcp", "command": [sys.executable, str(HERE / "documents_server.py")]}
    (files / "servers" / "servers.yaml").write_text(json.dumps(server), encoding="utf-8")
    for agent in ("bot", "plain"):
        done = home.remit("agent", "keygen", agent, "--out", str(files / "agents" / agent))
        assert done.code == 0, done.err
    done = home.remit("apply", str(files), "--approve", "--as", "dana", "--json")
    assert done.code == 0, done.out + done.err
    rows = [row for row in done.json["changes"] if row["kind"] == "server"]
    return files, rows[0]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_it_is_applied_and_its_resources_are_read(home: Home, tmp_path: Path, mode: str) -> None:
    with home.up("--dev") as up:
        files, row = applied(home, tmp_path)
        assert (row["state"], row.get("note", "")) == ("pinned", "")
        done = home.remit("server", "refresh", "documents", "--json")
        assert (done.code, done.json["reached"], done.json["tools"]) == (0, True, 0)
        peer = peers.Peer("", up.ready["api"], "documents", files / "agents")

        async def scenario() -> None:
            async with peer.client(mode, direct=False) as client:
                found = await client.list_resources()
                seen = sorted(str(each.uri) for each in found.resources)
                assert seen == ["memo://public/one", "memo://public/two", "remit://mandate"]
                said = await client.read_resource("memo://public/two")
                assert said.contents[0].text == "the second"  # type: ignore[union-attr]  # it is one of text
                for uri in ("memo://private/key", "memo://public/%2e%2e/private/key"):
                    with pytest.raises(Exception, match=r"(?i)resource"):
                        await client.read_resource(uri)
                with pytest.raises(MCPError, match="Method not found"):  # its own answer
                    await client.list_tools()

        asyncio.run(scenario())
