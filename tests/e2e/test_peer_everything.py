"""npm's server-everything and the MCP Inspector through a real `remit up`; needs npm."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from tests.e2e.peers import Peer, behind, plainly, upstream
from tests.e2e.running import PATIENCE, Home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EVERYTHING = "@modelcontextprotocol/server-everything@2026.8.31"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
GRANTED = ["echo", "get-sum", "get-structured-content", "get-tiny-image", "trigger-long-running-operation"]
METHODS = [{"action": f"everything:{name}"} for name in ("resources/*", "prompts/*", "completion/complete")]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("echo", {"message": "grüße \N{ROCKET}"}),
    ("get-sum", {"a": 2, "b": 40.5}),
    ("get-structured-content", {"location": "Chicago"}),
    ("get-tiny-image", {}),
]


def installed(package: str, cache: pytest.Cache) -> Path:
    """The `node_modules` that has the package; installed once and kept in pytest's cache."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip(f"npm is missing: {package} was NOT tested")
    place = cache.mkdir("npm-" + package.replace("/", "-"))
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want it at once
        if not (place / "done").exists():
            command = ["npm", "install", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(place), package]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr
            (place / "done").touch()
    return place / "node_modules"


@pytest.fixture
def peer(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Peer]:
    assert request.config.cache is not None
    package = installed(EVERYTHING, request.config.cache) / "@modelcontextprotocol" / "server-everything"
    shim = Path(__file__).with_name("loopback.cjs")
    command = ["node", "--require", str(shim), str(package / "dist" / "index.js"), "streamableHttp"]
    environ = {"PATH": os.environ["PATH"], "PORT": "0", "LEDGER": str(tmp_path / "ledger")}
    with upstream(command, environ, tmp_path / "server.log") as url, home.up("--dev", "--refresh", "1h") as up:
        yield behind(home, up, tmp_path / "files", "everything", url, [*GRANTED, *METHODS])


def arrived(tmp_path: Path) -> list[str]:
    """The tools that the server was asked to call."""
    lines = (tmp_path / "ledger").read_text(encoding="utf-8").splitlines()
    return [message["params"]["name"] for line in lines if (message := json.loads(line))["method"] == "tools/call"]


async def seen(client: Client) -> dict[str, Any]:
    """All that an agent can see of a server."""
    heard: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    work = ("trigger-long-running-operation", {"duration": 0.5, "steps": 5})
    return {
        "protocol": client.protocol_version,
        "server": plainly(client.server_info),
        "tools": {tool.name: plainly(tool) for tool in (await client.list_tools()).tools},
        "results": [plainly(await client.call_tool(name, arguments)) for name, arguments in CALLS],
        "worked": plainly(await client.call_tool(*work, progress_callback=hear)),
        "progress": heard,
    }


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_it_is_seen_as_it_is_itself(peer: Peer, tmp_path: Path, mode: str) -> None:
    async def scenario() -> None:
        async with peer.client(mode, direct=True) as client:
            expected = await seen(client)
        hidden = set(expected["tools"]) - set(GRANTED)
        assert "get-env" in hidden
        expected["tools"] = {name: tool for name, tool in expected["tools"].items() if name in GRANTED}
        for tool in expected["tools"].values():
            assert tool.pop("execution") == {"taskSupport": "forbidden"}  # no tasks, which is what saying nothing means
        executed = arrived(tmp_path)
        async with peer.client(mode, direct=False) as client:
            found = await seen(client)
            assert arrived(tmp_path) == executed * 2
            with pytest.raises(Exception, match="Unknown tool: get-env"):
                await client.call_tool("get-env", {})
        assert found == expected
        assert [now for now, _ in found["progress"]] == [1, 2, 3, 4, 5]
        assert arrived(tmp_path) == executed * 2, "what was refused did not arrive"

    asyncio.run(scenario())


async def beside_tools(client: Client) -> dict[str, Any]:
    """What a server has beside tools."""
    resources = [plainly(each) for each in (await client.list_resources()).resources]
    templates = [plainly(each) for each in (await client.list_resource_templates()).resource_templates]
    prompts = [plainly(each) for each in (await client.list_prompts()).prompts]
    ref = types.PromptReference(name="completable-prompt")
    first = next(each["uri"] for each in resources if not each["uri"].startswith("remit:"))
    return {
        "resources": [each for each in resources if not each["uri"].startswith("remit:")],
        "templates": templates,
        "read": plainly(await client.read_resource(first)),
        "prompts": prompts,
        "prompt": plainly(await client.get_prompt("args-prompt", {"city": "Lyon"})),
        "completed": plainly(await client.complete(ref, {"name": "department", "value": "E"})),
    }


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_what_it_has_beside_tools_is_the_same_where_it_is_granted(peer: Peer, mode: str) -> None:
    async def scenario() -> None:
        async with peer.client(mode, direct=True) as client:
            expected = await beside_tools(client)
        async with peer.client(mode, direct=False) as client:
            assert await beside_tools(client) == expected
        assert expected["resources"]
        assert expected["completed"]["completion"]["values"]

    asyncio.run(scenario())


def test_an_era_it_does_not_speak_fails_as_it_does_itself(peer: Peer, tmp_path: Path) -> None:
    async def failure(*, direct: bool) -> str:
        try:
            async with peer.client("2026-07-28", direct=direct) as client:
                await client.list_tools()
        except Exception as error:  # noqa: BLE001 - whatever the client makes of it
            return repr(error)
        return "none"

    direct, through = (asyncio.run(failure(direct=direct)) for direct in (True, False))
    assert "Server not initialized" in direct
    assert through == direct
    assert arrived(tmp_path) == []


def test_the_inspector_lists_with_a_token_in_a_header(
    peer: Peer, home: Home, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    assert request.config.cache is not None
    inspector = installed(INSPECTOR, request.config.cache) / ".bin" / "mcp-inspector"
    url = f"{peer.gateway}/servers/everything/mcp"
    command = [str(inspector), "--cli", url, "--transport", "http", "--method", "tools/list"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home.path)}

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    done = run("--header", f"Authorization: Bearer {peer.plain_token()}")
    assert done.returncode == 0, done.stderr
    assert sorted(tool["name"] for tool in json.loads(done.stdout)["tools"]) == sorted(GRANTED)
    assert run().returncode != 0, "without a token it sees nothing"


@pytest.mark.parametrize(
    ("method", "more", "expected"),
    [
        ("tools/call", ["--tool-name", "echo", "--tool-arg", "message=hi"], "Echo: hi"),
        ("resources/list", [], "remit://mandate"),
        ("prompts/list", [], "args-prompt"),
    ],
)
def test_the_inspector_asks(
    peer: Peer, home: Home, request: pytest.FixtureRequest, tmp_path: Path, method: str, more: list[str], expected: str
) -> None:
    assert request.config.cache is not None
    inspector = installed(INSPECTOR, request.config.cache) / ".bin" / "mcp-inspector"
    url = f"{peer.gateway}/servers/everything/mcp"
    command = [str(inspector), "--cli", url, "--transport", "http", "--method", method, *more]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home.path)}
    done = subprocess.run(
        [*command, "--header", f"Authorization: Bearer {peer.plain_token()}"],
        env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
