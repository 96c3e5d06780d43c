"""A command that works while its secret changes gets no more calls: a new one beside it has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_world import SDK, CommandWorld, alive  # type: ignore[import-not-found] # beside
from gateway_world import OneSecret, rule, until  # type: ignore[import-not-found] # beside

from remit.agents.model import AgentState
from remit.catalog.injection import Credential, Variable
from remit.enforcement.stdio.model import ChildLimits
from remit.vault.echo import Scanner, forms

Play = Callable[..., None]
RULES = tuple(rule(f"cmd/{name}") for name in ("spent", "waits", "waits_for_a_word", "whoami"))


class Turning(OneSecret):  # type: ignore[misc] # beside
    """Implements remit.enforcement.ports.Secrets: one secret that changes."""

    def __init__(self) -> None:
        self.turn = 1
        self.known: set[tuple[str, int]] = set()

    def variable(self, injection: Variable) -> tuple[str, str, int]:
        return injection.env, f"value-number-{self.turn}", self.turn

    def scanner(self, injection: Credential | None = None, instance: str = "") -> Scanner:  # noqa: ARG002 - the port's
        return Scanner([form for turn in range(1, self.turn + 1) for form in forms(b"value-number-%d" % turn)])

    def exposed(self, name: str, version: int) -> bool:
        return (name, version) in self.known


async def ready(world: CommandWorld, ledger: Path) -> Turning:
    turning = Turning()
    world.children._secrets, world.children._exposed = turning, turning.exposed
    await world.command("cmd", SDK, str(ledger), credential=True)
    world.agent("bot", *RULES)
    return turning


def spent(ledger: Path) -> list[tuple[str, str, str]]:
    lines = ledger.read_text(encoding="utf-8").removeprefix("waiting").splitlines()
    return [(amount, key, home) for amount, key, home in map(str.split, lines)]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_new_call_never_has_the_old_value_however_long_an_old_one_takes(
    play_commands: Play, tmp_path: Path, mode: str
) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        turning, looking = await ready(world, ledger), asyncio.create_task(world.children.run())
        async with world.client("cmd", mode) as client:
            await client.list_tools()  # else the client does so after its call, in a session that is over by then
            call = asyncio.create_task(client.call_tool("waits_for_a_word", {}))
            await until(ledger.exists)
            ((_, first),) = world.running
            turning.turn = 2
            for amount in range(2):
                async with world.client("cmd", mode) as other:
                    await other.call_tool("spent", {"amount": amount})
            ((_, second),) = world.running
            assert second != first
            assert alive(first), "its call goes on"
            assert not call.done()
            turning.turn = 3  # now the newer one is idle: what follows it has its home
            async with world.client("cmd", mode) as other:
                await other.call_tool("spent", {"amount": 2})
            ledger.with_name("word").touch()
            assert (await call).content[0].text == "done"
        await until(lambda: not alive(first))
        ((_, third),) = world.running
        assert alive(third), "what ends it ends nothing else"
        (_, one, home), (_, two, same), (_, three, again) = spent(ledger)
        assert [one, two, three] == ["value-number-2", "value-number-2", "value-number-3"]
        assert home == same == again
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    play_commands(scenario)


def test_a_session_with_an_old_one_asks_nothing_new_of_it(play_commands: Play, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        turning = await ready(world, ledger)
        async with world.client("cmd", "legacy") as client:
            call = asyncio.create_task(client.call_tool("waits", {}))
            await until(ledger.exists)
            turning.turn = 2
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the client makes of a session that is over
                await client.call_tool("spent", {"amount": 1})
            assert spent(ledger) == []
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    play_commands(scenario)


@pytest.mark.parametrize("replaced", [False, True])
def test_one_whose_secret_was_exposed_ends_at_once_with_its_calls(
    play_commands: Play, tmp_path: Path, *, replaced: bool
) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        turning = await ready(world, ledger)
        async with world.client("cmd", "2026-07-28") as client:
            call = asyncio.create_task(client.call_tool("waits", {}))
            await until(ledger.exists)
            ((_, first),) = world.running
            if replaced:
                turning.turn = 2
                await client.call_tool("whoami", {})
            turning.known.add(("key", 1))
            world.change("secret:key")
            with pytest.raises(Exception, match="may have had an effect"):
                await call
            await until(lambda: not alive(first))
            await until(lambda: len(world.children) == replaced)
            assert [alive(pid) for _, pid in world.running] == [True] * replaced

    play_commands(scenario)


def test_those_that_were_replaced_count_and_end_with_remit(play_commands: Play, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        turning = await ready(world, ledger)
        async with world.client("cmd", "2026-07-28") as client:
            call = asyncio.create_task(client.call_tool("waits", {}))
            await until(ledger.exists)
            ((_, first),) = world.running
            turning.turn = 2
            await client.call_tool("whoami", {})
            ((_, second),) = world.running
            assert len([each for each in world.children._every() if each.key.agent]) == 2
            await world.children.close()
            assert [alive(first), alive(second)] == [False, False]
            await asyncio.gather(call, return_exceptions=True)

    play_commands(scenario)


def test_a_frozen_agents_replaced_one_ends_too(play_commands: Play, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        turning = await ready(world, ledger)
        async with world.client("cmd", "2026-07-28") as client:
            call: asyncio.Task[Any] = asyncio.create_task(client.call_tool("waits", {}))
            await until(ledger.exists)
            ((_, first),) = world.running
            turning.turn = 2
            await client.call_tool("whoami", {})
            world.agent("bot", *RULES, state=AgentState.SUSPENDED)
            await until(lambda: not alive(first))
            await asyncio.gather(call, return_exceptions=True)

    play_commands(scenario, ChildLimits(grace=0.5))
