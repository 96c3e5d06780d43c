"""Commands that say what no server should: each is contained, and the call is recorded as what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from command_world import ODD, CommandWorld  # type: ignore[import-not-found] # beside
from gateway_world import rule, until  # type: ignore[import-not-found] # beside

from remit.enforcement.model import Limits
from remit.freezes.model import FreezeKind

Play = Callable[..., None]


async def odd(world: CommandWorld, how: str, ledger: Path, *, imported: bool = True) -> None:
    await world.command("odd", ODD, how, str(ledger), imported=imported)
    world.agent("bot", rule("odd/do"))


@pytest.mark.parametrize("how", ["garbage", "foreign"])
def test_garbage_between_messages_and_foreign_answers_are_left_out(
    play_commands: Play, tmp_path: Path, how: str
) -> None:
    async def scenario(world: CommandWorld) -> None:
        await odd(world, how, tmp_path / "ledger")
        async with world.client("odd", "legacy") as client:
            said = (await client.call_tool("do", {})).content[0].text
        assert said == {"garbage": "after all", "foreign": "mine"}[how]

    play_commands(scenario)


@pytest.mark.parametrize("how", ["only-garbage", "long-line"])
def test_one_that_says_nothing_else_or_without_end_is_ended(play_commands: Play, tmp_path: Path, how: str) -> None:
    async def scenario(world: CommandWorld) -> None:
        await odd(world, how, tmp_path / "ledger")
        async with world.client("odd", "legacy") as client:
            with pytest.raises(Exception, match="may have had an effect"):
                await client.call_tool("do", {})
        await until(lambda: not world.running)
        assert "outcome_unknown" in await world.outcomes()

    play_commands(scenario)


def test_one_that_never_answers_is_given_up(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await odd(world, "silent", tmp_path / "ledger")
        world.upstream._stdio.limits = Limits(headers_after=0.3)
        async with world.client("odd", "legacy") as client:
            with pytest.raises(Exception, match="may have had an effect"):
                await client.call_tool("do", {})
        assert "outcome_unknown" in await world.outcomes()

    play_commands(scenario)


def test_what_it_asks_of_the_agent_is_refused_and_recorded(play_commands: Play, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        await odd(world, "asks", ledger)
        async with world.client("odd", "legacy") as client:
            await client.call_tool("do", {})
        await world.relay.drain()
        assert '"code":-32601' in (await asyncio.to_thread(ledger.read_text)).replace(" ", "")
        assert [each["method"] for each in world.entries("refused") if each["reason"] == "server_request"] == [
            "sampling/createMessage"
        ]

    play_commands(scenario)


def test_a_tool_that_changed_with_a_start_is_not_called(play_commands: Play, tmp_path: Path) -> None:
    """Over HTTP a change is found within seconds; a command's is found before the first call of each process."""

    async def scenario(world: CommandWorld) -> None:
        await odd(world, "changes", tmp_path / "ledger")  # pinned as of the first start, which was for the import
        async with world.client("odd", "legacy") as client:
            with pytest.raises(Exception, match="changed this tool"):
                await client.call_tool("do", {})
        assert "not_sent" in await world.outcomes()
        await until(lambda: world.source.all_servers["odd"].tools["do"].state.value == "changed")
        # From now on it is denied as everywhere.
        async with world.client("odd", "legacy") as client:
            assert (await client.list_tools()).tools == []

    play_commands(scenario)


def test_a_client_that_is_modern_falls_back(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await odd(world, "garbage", tmp_path / "ledger")
        async with world.client("odd", "auto") as client:
            assert client.protocol_version == "2025-11-25"
            assert (await client.call_tool("do", {})).content[0].text == "after all"

    play_commands(scenario)


def test_one_that_cannot_be_started_was_sent_nothing(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await odd(world, "garbage", tmp_path / "ledger")
        server = world.source.all_servers["odd"]
        world.source.all_servers["odd"] = type(server)(
            **{name: getattr(server, name) for name in server.__slots__} | {"command": ("no-such-program-anywhere",)}
        )
        world.change("server:odd")
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        answer = await world.post("odd", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
        assert "could not be reached" in answer.text
        assert (await world.outcomes())[-1] == "not_sent"

    play_commands(scenario)


def test_after_many_early_ends_it_is_not_started_at_once(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await odd(world, "only-garbage", tmp_path / "ledger")
        said = []
        for _ in range(3):
            try:
                async with world.client("odd", "legacy") as client:
                    await client.call_tool("do", {})
            except Exception as error:  # noqa: BLE001 - whatever the client makes of it
                said.append(repr(error))
            await until(lambda: not world.running)
        assert "may have had an effect" in said[0]
        assert "could not be reached" in said[-1]
        assert "not_sent" in await world.outcomes()

    play_commands(scenario)


def test_a_frozen_secret_starts_nothing(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await world.command("odd", ODD, "garbage", str(tmp_path / "ledger"), credential=True)
        world.agent("bot", rule("odd/do"))
        world.freeze(FreezeKind.CREDENTIAL, "key")
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the client makes of it
            async with world.client("odd", "legacy") as client:
                await client.call_tool("do", {})
        assert not world.running

    play_commands(scenario)
