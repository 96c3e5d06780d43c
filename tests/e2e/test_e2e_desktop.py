"""A desktop agent that only speaks stdio, a server that is a command, and Remit between them: real processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.e2e import peers
from tests.e2e.running import PATIENCE, REMIT, Home, Up

HERE = Path(__file__).parents[1] / "interaction" / "enforcement"
KEY = "sk-upstream-0123456789"
TOOLS = ["whoami", "environment", "spent", "tells_its_secret", "steps"]
DENIED = "forks"


@dataclass
class Desk:
    """A Remit with `files`, which is a command, and `bot`, which this user's processes are."""

    home: Home
    up: Up
    files: Path
    ledger: Path

    @property
    def words(self) -> list[str]:
        return [sys.executable, str(HERE / "command_server.py"), str(self.ledger)]

    def parameters(self, *more: str) -> StdioServerParameters:
        """What a client's configuration says."""
        args = ["mcp", "stdio", "--agent", "bot", "--server", "files", *more]
        return StdioServerParameters(command=REMIT, args=args, env=self.home.environ)

    def play(self, mode: str, scenario: Any) -> None:
        async def main() -> None:
            async with Client(stdio_client(self.parameters()), mode=mode) as client:
                await scenario(client)

        asyncio.run(main())

    def apply(self) -> None:
        done = self.home.remit("apply", str(self.files), "--approve", "--as", "dana")
        assert done.code == 0, done.err


@pytest.fixture
def desk(home: Home, tmp_path: Path) -> Iterator[Desk]:
    with home.up("--dev") as up:
        files = peers.tree(tmp_path / "files", "files", "", TOOLS)
        found = Desk(home, up, files, tmp_path / "ledger")
        server = {
            "server": "files", "kind": "mcp", "command": found.words, "review": "pin-on-first-use",
            "credential": {"secret": "files-key", "inject": {"env": "API_KEY"}},
        }  # fmt: skip
        (files / "servers" / "servers.yaml").write_text(json.dumps(server), encoding="utf-8")
        for agent in ("bot", "plain"):
            path = files / "agents" / f"agent-{agent}.yaml"
            attest = {"attest": [{"local_process": {"uid": os.geteuid()}}]}
            path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | attest), encoding="utf-8")
        assert home.remit("secret", "set", "files-key", stdin=KEY).code == 0
        found.apply()
        yield found


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_stock_stdio_client_is_governed(desk: Desk, mode: str) -> None:
    async def scenario(client: Client) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == set(TOOLS)
        done = await client.call_tool("spent", {"amount": 7})
        assert done.content[0].text == "done"
        heard: list[float] = []

        async def hear(progress: float, _total: float | None, _message: str | None) -> None:
            heard.append(progress)

        await client.call_tool("steps", {}, progress_callback=hear)
        assert heard == [1, 2, 3]
        found = (await client.call_tool("environment", {})).structured_content or {}
        assert not any(name.startswith("REMIT") for name in found)
        with pytest.raises(Exception, match="Unknown tool"):
            await client.call_tool(DENIED, {})
        with pytest.raises(Exception, match="withheld"):
            await client.call_tool("tells_its_secret", {})

    desk.play(mode, scenario)
    amount, key, _ = desk.ledger.read_text(encoding="utf-8").split()
    assert (amount, key) == ("7", KEY)
    found = desk.home.remit("coverage", "--json")
    assert found.code == 0, found.err
    (row,) = found.json["brokered"]
    assert (row["server"], row["secret"], row["unmatched"]) == ("files", "files-key", 0)
    assert row["uses"] == row["decisions"] > 4


def test_stdout_carries_messages_only(desk: Desk) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
        [],
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ]
    text = "".join(json.dumps(each) + "\n" for each in lines) + "nonsense\n"
    done = desk.home.remit("mcp", "stdio", "--agent", "bot", "--server", "files", stdin=text)
    assert done.code == 0, done.err
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert {each["jsonrpc"] for each in answers} == {"2.0"}
    assert sorted(each["error"]["code"] for each in answers if "error" in each) == [-32700, -32600]
    assert next(each for each in answers if each.get("id") == 0)["result"]["serverInfo"]["name"] == "commands"
    assert "remit run: bot" in done.err


def test_a_session_that_the_gateway_lost_is_begun_again(desk: Desk) -> None:
    async def scenario(client: Client) -> None:
        first = (await client.call_tool("whoami", {})).content[0].text
        os.kill(int(first), 9)  # the command's end ends its sessions
        second = None
        for _ in range(20):
            try:
                second = (await client.call_tool("whoami", {})).content[0].text
                break
            except Exception:  # noqa: BLE001, S112 - while its end is noticed
                continue
        assert second not in {None, first}

    desk.play("legacy", scenario)


def test_the_command_must_be_the_registered_one(desk: Desk) -> None:
    asked = ("mcp", "stdio", "--agent", "bot", "--server")
    done = desk.home.remit(*asked, "files", "--", *desk.words, stdin="")
    assert done.code == 0, done.err
    done = desk.home.remit(*asked, "files", "--", "other", stdin="")
    assert (done.code, done.out) == (9, "")
    done = desk.home.remit(*asked, "unknown", "--", "npx", "-y", "some server", stdin="")
    assert (done.code, done.out) == (2, "")


def test_a_plan_starts_no_command(desk: Desk, tmp_path: Path) -> None:
    """Who may only look at what an apply would do must not start a program by that."""
    mark = tmp_path / "started"
    path = desk.files / "servers" / "other.yaml"
    document = {"server": "other", "kind": "mcp", "command": ["touch", str(mark)]}
    path.write_text(json.dumps(document), encoding="utf-8")
    desk.home.remit("diff", str(desk.files))
    assert not mark.exists()
    path.unlink()


def test_the_server_ends_its_commands_when_it_stops(desk: Desk) -> None:
    pids: list[int] = []

    async def scenario(client: Client) -> None:
        pids.append(int((await client.call_tool("whoami", {})).content[0].text))

    desk.play("auto", scenario)
    assert Path(f"/proc/{pids[0]}").exists()
    assert desk.up.end() == 0
    assert not Path(f"/proc/{pids[0]}").exists()


MINE = '"mine": {"command": "mine", "env": {"MINE_TOKEN": "tok-secret-1"}}'
CONFIGURED = f'{{\n    "theme": "dark",\n    "mcpServers": {{\n        {MINE}\n    }}\n}}\n'
CODEX = '# mine\nmodel = "x"\n\n[mcp_servers.mine]\ncommand = "mine"\nenv = {MINE_TOKEN = "tok-secret-1"}\n'


@pytest.mark.parametrize(
    ("client", "file", "before"),
    [
        ("claude-code", ".claude.json", CONFIGURED),
        ("codex", ".codex/config.toml", CODEX),
        ("gemini", ".gemini/settings.json", CONFIGURED),
        ("cursor", ".cursor/mcp.json", CONFIGURED),
        ("vscode", ".config/Code/User/mcp.json", "// mine\n" + CONFIGURED.replace("mcpServers", "servers")),
    ],
)
def test_a_clients_file_gets_an_entry_and_loses_it_again(home: Home, client: str, file: str, before: str) -> None:
    path = home.path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before, encoding="utf-8")
    path.chmod(0o640)
    words = ("mcp", "install", client, "--agent", "desk", "--server", "files", "--server", "mail")
    dry = home.remit(*words, "--dry-run", "--json")
    assert dry.json["differs"]
    assert path.read_text(encoding="utf-8") == before
    done = home.remit(*words)
    assert done.code == 0, done.err
    after = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o640
    assert Path(f"{path}.remit-backup").read_text(encoding="utf-8") == before
    assert home.remit(*words, "--json").json["changed"] is False
    assert path.read_text(encoding="utf-8") == after
    found = home.remit("discover", "--json")
    assert found.code == 9
    assert "tok-secret-1" not in found.out + found.err
    rows = {row["name"]: row for row in found.json["servers"]}
    assert [rows[name]["through_remit"] for name in ("files", "mail", "mine")] == [True, True, False]
    assert rows["mine"]["secrets"] == ["env.MINE_TOKEN"]
    # What is not of Remit is neither taken out nor replaced without being asked.
    assert home.remit("mcp", "uninstall", client, "--name", "mine").code == 9
    assert home.remit("mcp", "install", client, "--agent", "desk", "--server", "mine").code == 9
    done = home.remit("mcp", "uninstall", client)
    assert done.code == 0, done.err
    assert path.read_text(encoding="utf-8") == before


def test_a_host_without_any_is_covered(home: Home) -> None:
    assert home.remit("discover", "--json").code == 0
    home.remit("mcp", "install", "cursor", "--agent", "desk", "--server", "files")
    assert home.remit("discover").code == 0


def test_uses_without_a_decision_are_shadows(desk: Desk, tmp_path: Path) -> None:
    """Abuse test 34: a credential that goes round Remit shows in the server's own log, within seconds of its import."""

    async def scenario(client: Client) -> None:
        for amount in (1, 2):
            await client.call_tool("spent", {"amount": amount})

    desk.play("auto", scenario)
    assert desk.home.remit("usage", "register", "files-log", "--server", "files").code == 0
    now = datetime.now(UTC)
    lines = [
        {"kind": "use", "at": _at(now), "id": "1", "agent": "bot", "action": "files/spent"},
        {"kind": "use", "at": _at(now), "id": "2", "agent": "bot", "action": "files/spent"},
        {"kind": "use", "at": _at(now), "id": "3", "agent": "bot", "action": "files/spent"},  # one more than decided
        {"kind": "use", "at": _at(now), "id": "4", "agent": "stranger", "action": "files/spent"},
        {"kind": "use", "at": _at(now - timedelta(hours=5)), "id": "5", "agent": "bot", "action": "files/whoami"},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = desk.home.remit("usage", "import", str(log), "--source", "files-log", "--json")
    found = {(row["agent"], row["action"]): row for row in done.json["shadows"]}
    assert {key: row["count"] for key, row in found.items()} == {
        ("bot", "files/spent"): 1, ("stranger", "files/spent"): 1, ("bot", "files/whoami"): 1,
    }  # fmt: skip
    told = desk.home.remit("coverage", "--json")
    assert told.code == 9
    recorded = {(row["agent"], row["action"]): row for row in told.json["shadows"]}
    assert recorded.keys() == found.keys()
    assert recorded["stranger", "files/spent"]["registered"] is False
    for row in recorded.values():
        assert datetime.fromisoformat(row["time"]) - now < timedelta(seconds=5 + PATIENCE)
    # The same again finds nothing new.
    desk.home.remit("usage", "import", str(log), "--source", "files-log")
    again = desk.home.remit("coverage", "--json")
    assert again.json["shadow_count"] == told.json["shadow_count"]
    notices = desk.home.remit("notices", "--json")
    assert "without any decision" in notices.out


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_the_shim_holds_nothing_that_its_client_could_read(desk: Desk) -> None:
    process = subprocess.Popen(
        [REMIT, "mcp", "stdio", "--agent", "bot", "--server", "files"], env=desk.home.environ, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}) + "\n")
    process.stdin.flush()
    assert process.stdout is not None
    line = process.stdout.readline()
    _, err = process.communicate(timeout=PATIENCE)
    assert not re.search(r"eyJ[\w-]{8,}\.eyJ", line + err)
    assert KEY not in line + err
    assert shutil.which("remit", path=str(Path(REMIT).parent))
