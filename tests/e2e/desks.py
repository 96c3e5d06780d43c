"""A Remit with a server that is a command, and an agent that this user's processes are."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.e2e import peers
from tests.e2e.running import REMIT, Home, Up

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


@contextlib.contextmanager
def standing(home: Home, tmp_path: Path) -> Iterator[Desk]:
    """The whole of it, for as long as the block runs."""
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
