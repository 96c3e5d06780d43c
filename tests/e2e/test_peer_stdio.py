"""npm's servers as commands, and the desktop agents' own command lines on what `remit mcp install` wrote; needs npm."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.e2e import peers
from tests.e2e.running import PATIENCE, REMIT, Home
from tests.e2e.test_peer_everything import CALLS, EVERYTHING, GRANTED, installed, seen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COMMAND = Path(__file__).parents[1] / "interaction" / "enforcement" / "command_server.py"
FILESYSTEM = "@modelcontextprotocol/server-filesystem@2026.8.31"
CLIENTS = {
    "codex": ("@openai/codex@0.171.0", "codex", "enabled"),
    "gemini": ("@google/gemini-cli@0.61.0", "gemini", " - Connected"),
    "claude-code": ("@anthropic-ai/claude-code@2.1.332", "claude", " Connected"),
}


def script(package: str, cache: pytest.Cache) -> str:
    name = package.rpartition("@")[0]
    return str(installed(package, cache) / name / "dist" / "index.js")


@pytest.fixture
def cache(request: pytest.FixtureRequest) -> pytest.Cache:
    assert request.config.cache is not None
    return request.config.cache


@pytest.fixture
def behind(home: Home, tmp_path: Path) -> Iterator[Any]:
    """Registers a command as `peer` with `actions` granted; gives what a client starts in its place."""
    with home.up("--dev") as up:

        def register(words: list[str], actions: list[str]) -> StdioServerParameters:
            assert up.process.poll() is None
            files = peers.tree(tmp_path / "files", "peer", "", actions)
            server = {"server": "peer", "kind": "mcp", "command": words, "review": "pin-on-first-use"}
            (files / "servers" / "servers.yaml").write_text(json.dumps(server), encoding="utf-8")
            for agent in ("bot", "plain"):
                path = files / "agents" / f"agent-{agent}.yaml"
                attest = {"attest": [{"local_process": {"uid": os.geteuid()}}]}
                path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | attest), encoding="utf-8")
            done = home.remit("apply", str(files), "--approve", "--as", "dana")
            assert done.code == 0, done.err
            args = ["mcp", "stdio", "--agent", "bot", "--server", "peer"]
            return StdioServerParameters(command=REMIT, args=args, env=home.environ)

        yield register


def through(parameters: StdioServerParameters, mode: str, scenario: Any) -> Any:
    async def main() -> Any:
        async with Client(stdio_client(parameters), mode=mode) as client:
            return await scenario(client)

    return asyncio.run(main())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_server_everything_is_seen_as_it_is_itself(behind: Any, cache: pytest.Cache, mode: str) -> None:
    words = ["node", script(EVERYTHING, cache), "stdio"]
    expected = through(StdioServerParameters(command=words[0], args=words[1:]), mode, seen)
    assert "get-env" in expected["tools"]
    expected["tools"] = {name: tool for name, tool in expected["tools"].items() if name in GRANTED}
    for tool in expected["tools"].values():
        assert tool.pop("execution") == {"taskSupport": "forbidden"}  # no tasks, which is what saying nothing means
    found = through(behind(words, GRANTED), mode, seen)
    assert found["results"] == expected["results"]
    assert found == expected
    assert len(CALLS) == len(found["results"])


def test_server_filesystem_reads_and_does_not_write(behind: Any, cache: pytest.Cache, tmp_path: Path) -> None:
    place = tmp_path / "documents"
    place.mkdir()
    (place / "note.txt").write_text("what stands there", encoding="utf-8")
    parameters = behind(["node", script(FILESYSTEM, cache), str(place)], ["read_text_file", "list_directory"])

    async def scenario(client: Any) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"read_text_file", "list_directory"}
        said = await client.call_tool("read_text_file", {"path": str(place / "note.txt")})
        assert said.content[0].text == "what stands there"
        outside = await client.call_tool("read_text_file", {"path": "/etc/hostname"})
        assert outside.is_error
        with pytest.raises(Exception, match="Unknown tool"):
            await client.call_tool("write_file", {"path": str(place / "new.txt"), "content": "x"})
        assert not (place / "new.txt").exists()

    through(parameters, "auto", scenario)


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_the_clients_own_command_line_connects_through_remit(
    behind: Any, home: Home, cache: pytest.Cache, tmp_path: Path, client: str
) -> None:
    """Their `mcp list` needs no login; Gemini's and Claude's connect to each server."""
    package, program, says = CLIENTS[client]
    modules = installed(package, cache)
    behind([sys.executable, str(COMMAND), str(tmp_path / "ledger")], ["whoami"])
    done = home.remit("mcp", "install", client, "--agent", "bot", "--server", "peer")
    assert done.code == 0, done.err
    environ = home.environ | {"GEMINI_CLI_TRUST_WORKSPACE": "true", "CI": "1"}
    if client == "claude-code":  # its program is put in place by a script, and scripts are not run when it is installed
        subprocess.run(["node", str(modules / "@anthropic-ai/claude-code/install.cjs")], check=True, env=environ)
    said = subprocess.run(
        [str(modules / ".bin" / program), "mcp", "list"], env=environ, cwd=home.path, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert "mcp stdio --agent bot --server peer" in said.stdout + said.stderr, (said.returncode, said)
    assert says in said.stdout + said.stderr, (said.stdout, said.stderr)
    # Whatever the client wrote to its file meanwhile stays, and ours goes.
    assert home.remit("mcp", "uninstall", client, "--json").json["entries"] == ["peer"]
    assert home.remit("discover").code == 0
