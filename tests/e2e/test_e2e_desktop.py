"""A desktop agent that only speaks stdio, a server that is a command, and Remit between them: real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.desks import DENIED, KEY, TOOLS, Desk, standing
from tests.e2e.running import PATIENCE, REMIT, Home


@pytest.fixture
def desk(home: Home, tmp_path: Path) -> Iterator[Desk]:
    with standing(home, tmp_path) as found:
        yield found


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_stock_stdio_client_is_governed(desk: Desk, mode: str) -> None:
    async def scenario(client: Any) -> None:
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
    command = [REMIT, "mcp", "stdio", "--agent", "bot", "--server", "files"]
    with subprocess.Popen(
        command, env=desk.home.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as shim:
        assert shim.stdin is not None
        assert shim.stdout is not None
        shim.stdin.write(text)
        shim.stdin.flush()
        # Its input ends after the answers: for what is open then it waits two seconds, and a command may start slower.
        answers = [json.loads(shim.stdout.readline()) for _ in range(3)]
        rest, err = shim.communicate(timeout=PATIENCE)
    assert (shim.returncode, rest) == (0, ""), err
    assert {each["jsonrpc"] for each in answers} == {"2.0"}
    assert sorted(each["error"]["code"] for each in answers if "error" in each) == [-32700, -32600]
    assert next(each for each in answers if each.get("id") == 0)["result"]["serverInfo"]["name"] == "commands"
    assert "remit mcp stdio: bot" in err


def test_a_session_that_the_gateway_lost_is_begun_again(desk: Desk) -> None:
    async def scenario(client: Any) -> None:
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

    async def scenario(client: Any) -> None:
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
    assert Path(f"{path}.remit-backup").read_text(encoding="utf-8") == before
    # Nor is what is replaced on demand lost, nor does it take an older backup's place.
    assert home.remit(*words).code == 0
    done = home.remit("mcp", "install", client, "--agent", "desk", "--server", "mine", "--replace", "--json")
    assert "tok-secret-1" not in path.read_text(encoding="utf-8")
    assert Path(done.json["backup"]).read_text(encoding="utf-8") == after
    assert done.json["backup"] == f"{path}.remit-backup.3"
    gone = home.remit("mcp", "uninstall", client, "--json").json
    assert (gone["exact"], gone["lost"], path.read_text(encoding="utf-8")) == (True, [], before)


def test_a_host_without_any_is_covered(home: Home) -> None:
    assert home.remit("discover", "--json").code == 0
    home.remit("mcp", "install", "cursor", "--agent", "desk", "--server", "files")
    assert home.remit("discover").code == 0
    assert home.remit("mcp", "uninstall", "cursor").code == 0
    assert not (home.path / ".cursor" / "mcp.json").exists()


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
