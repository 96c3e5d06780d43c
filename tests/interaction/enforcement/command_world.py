"""The gateway's world with servers that are commands: real processes, started by it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from blockbuster import blockbuster_ctx
from gateway_world import OneSecret, World  # type: ignore[import-not-found] # beside

from remit.catalog.injection import Variable
from remit.catalog.model import Server
from remit.enforcement import era
from remit.enforcement.model import Limits
from remit.enforcement.stdio.children import Children
from remit.enforcement.stdio.model import ChildLimits
from remit.enforcement.stdio.upstream import StdioUpstream
from remit.enforcement.upstreams import Upstreams
from remit.kernel.names import SecretName, ServerName

HERE = Path(__file__).parent
SDK = str(HERE / "command_server.py")
ODD = str(HERE / "odd_command.py")
Scenario = Callable[[Any], Coroutine[Any, Any, None]]


class CommandWorld(World):  # type: ignore[misc] # beside
    """A world whose servers may be commands."""

    children: Children
    folder: Path

    def commands(self, folder: Path, limits: ChildLimits) -> None:
        """Let there be commands."""
        self.folder = folder
        self.children = Children(
            folder=folder / "commands", environ={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}, secrets=OneSecret(),
            again=self.pipeline.again, server=lambda name: self.facts.view().server(name), line=self.limits.response,
            limits=limits,
        )  # fmt: skip
        self.children.bind(asyncio.get_running_loop())
        stdio = StdioUpstream(self.children, OneSecret(), self.limits, frozen=self.frozen, tell=self.observe)
        self.upstream: Any = Upstreams(vars(self)["upstream"], stdio)
        self.wire()
        self.stack.push_async_callback(self.children.close)

    def change(self, *topics: str) -> None:
        super().change(*topics)
        self.children.changed()

    async def command(self, name: str, *words: str, credential: bool = False, imported: bool = True) -> None:
        """Register a command as the server `name`."""
        injection = Variable(secret=SecretName("key"), format="{}", env="API_KEY")
        self.source.all_servers[name] = Server(
            server=ServerName(name), url="", command=(sys.executable, *words), env=(("MODE", "test"),), tiers=(),
            credential=injection if credential else None, review="pin-on-first-use", tools={}, set_pin="",
        )  # fmt: skip
        self.change(f"server:{name}")
        if imported:
            self.observe(name, await self.importer.tools(self.source.all_servers[name]))

    @property
    def running(self) -> list[tuple[str, int]]:
        """Whose commands run, without those of an import."""
        return [(key.agent, child.process.pid) for key, child in self.children._running.items() if key.agent]


def run_commands(scenario: Scenario, tmp_path: Path, limits: ChildLimits | None = None) -> None:
    """Run `scenario` as `run_in_world` does."""
    era.warm()

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            world = CommandWorld(stack, Limits())
            world.commands(tmp_path, limits or ChildLimits(grace=0.5))
            await world.begin()
            await scenario(world)

    with blockbuster_ctx(scanned_modules=["remit"]):
        asyncio.run(main())


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
