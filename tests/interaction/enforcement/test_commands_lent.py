"""A command whose credential is made for one instance belongs to that instance, and not to its agent."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx2
import pytest
from command_world import SDK, CommandWorld  # type: ignore[import-not-found] # beside
from gateway_world import bearer, rule  # type: ignore[import-not-found] # beside
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from remit.catalog.injection import Credential
from remit.keys.secret import Secret
from remit.policy.model import Call
from remit.vault.service import Lent

Play = Callable[[Callable[[Any], Coroutine[Any, Any, None]]], None]


class Each:
    """Implements remit.vault.lends.Lends: each instance has a value of its own."""

    def __init__(self) -> None:
        self.turn = 1
        self.asked: list[str] = []

    def makes(self, secret: str) -> bool:
        return secret == "key"

    def at_hand(self, secret: str, call: Call) -> Lent | None:
        assert self.makes(secret)
        return self._lent(call)

    async def lend(self, credential: Credential, call: Call | None, *, host: str = "", path: str = "") -> Lent:
        assert (credential.secret, host, path) == ("key", "", "")
        assert call is not None
        self.asked.append(call.caller.instance)
        return self._lent(call)

    def _lent(self, call: Call) -> Lent:
        return Lent(Secret(f"value-of-{call.caller.instance}-{self.turn}"), 0, {"user": "u"})


async def spent(world: CommandWorld, mode: str, instance: str, amount: int) -> None:
    headers = world.headers("bot") | {"Authorization": bearer("bot", "work", instance)}
    async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=20) as http:
        transport = streamable_http_client(world.base + "/mcp/cmd", http_client=http)
        async with Client(transport, mode=mode) as client:
            await client.call_tool("spent", {"amount": amount})


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_each_instance_has_a_command_with_its_own(play_commands: Play, tmp_path: Path, mode: str) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        world.children._lends = lends = Each()
        await world.command("cmd", SDK, str(ledger), credential=True)
        assert lends.asked == []  # listing its tools is no call of an instance
        world.agent("bot", rule("cmd/spent"))
        for amount, instance in enumerate(["i1", "i2", "i1"]):
            await spent(world, mode, instance, amount)
        assert len(world.running) == 2
        lends.turn = 2
        await spent(world, mode, "i1", 3)
        lines = [line.split() for line in ledger.read_text("utf-8").splitlines()]
        assert [(amount, key) for amount, key, _ in lines] == [
            ("0", "value-of-i1-1"), ("1", "value-of-i2-1"), ("2", "value-of-i1-1"), ("3", "value-of-i1-2")
        ]  # fmt: skip
        homes = [home for _, _, home in lines]
        assert homes[0] != homes[1]
        assert homes[0] == homes[2] == homes[3]

    play_commands(scenario)
