"""Servers that are commands, behind the gateway: real processes, the official client, and what holds as over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_world import SDK, CommandWorld, alive  # type: ignore[import-not-found] # beside
from gateway_world import SECRET, rule, until  # type: ignore[import-not-found] # beside

from remit.agents.model import AgentState
from remit.enforcement.stdio.model import ChildLimits
from remit.freezes.model import FreezeKind

Play = Callable[..., None]
MODES = ["auto", "legacy", "2026-07-28"]
TOOLS = (
    "whoami", "environment", "spent", "tells_its_secret", "logs_its_secret", "steps", "dies", "waits",
    "waits_for_a_word", "forks",
)  # fmt: skip
RULES = tuple(rule(f"cmd/{name}") for name in TOOLS)


async def ready(world: CommandWorld, ledger: Path) -> None:
    await world.command("cmd", SDK, str(ledger), credential=True)
    for agent in ("bot", "other"):
        world.agent(agent, *RULES)


def text(result: Any) -> str:
    return str(result.content[0].text)


@pytest.mark.parametrize("mode", MODES)
def test_a_command_is_a_server(play_commands: Play, tmp_path: Path, mode: str) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        await ready(world, ledger)
        heard: list[float] = []

        async def hear(progress: float, _total: float | None, _message: str | None) -> None:
            heard.append(progress)

        async with world.client("cmd", mode) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == sorted(TOOLS)
            assert text(await client.call_tool("spent", {"amount": 3})) == "done"
            assert text(await client.call_tool("steps", {}, progress_callback=hear)) == "done"
        assert heard == [1, 2, 3]
        # The secret is in the command's environment, and its home is its own.
        amount, key, cwd = (await asyncio.to_thread(ledger.read_text)).split()
        assert (amount, key) == ("3", SECRET)
        assert Path(cwd).is_relative_to(world.folder / "commands" / "cmd" / "bot")
        assert set(await world.outcomes()) == {"ok"}

    play_commands(scenario)


def test_nothing_is_inherited(play_commands: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMIT_TOKEN", "an operator's")
    monkeypatch.setenv("AWS_PROFILE", "somebody's")

    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        async with world.client("cmd") as client:
            found = (await client.call_tool("environment", {})).structured_content
        assert set(found) - {"LC_CTYPE"} == {"PATH", "HOME", "LANG", "MODE"}  # Python sets that one for itself

    play_commands(scenario)


def test_two_agents_have_two_processes_and_one_has_one(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        async with world.client("cmd") as first, world.client("cmd") as second:
            pids = {text(await each.call_tool("whoami", {})) for each in (first, second)}
        async with world.client("cmd", agent="other") as client:
            others = text(await client.call_tool("whoami", {}))
        assert len(pids) == 1
        assert others not in pids
        assert sorted(agent for agent, _ in world.running) == ["bot", "other"]

    play_commands(scenario)


def test_two_sessions_may_take_the_same_numbers(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        async with world.client("cmd", "legacy") as first, world.client("cmd", "legacy") as second:
            calls = [each.call_tool("spent", {"amount": n}) for n, each in enumerate((first, second) * 10)]
            assert {text(each) for each in await asyncio.gather(*calls)} == {"done"}
        assert len(world.running) == 1

    play_commands(scenario)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_its_secret_reaches_no_agent(play_commands: Play, tmp_path: Path, mode: str) -> None:
    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        async with world.client("cmd", mode) as client:
            with pytest.raises(Exception, match="withheld") as refused:
                await client.call_tool("tells_its_secret", {})
        assert SECRET not in repr(refused.value)
        assert "cut" in await world.outcomes()
        assert [each["what"] for each in world.entries("incident")] == ["secret_echoed"]
        assert SECRET.encode() not in b"".join(entry.header for entry in world.writer.entries)

    play_commands(scenario)


def test_its_secret_stands_in_no_log(play_commands: Play, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    def heard() -> str:
        said.append(capfd.readouterr().out)
        return "".join(said)

    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        async with world.client("cmd") as client:
            assert text(await client.call_tool("logs_its_secret", {})) == "done"
        await until(lambda: "no more of that is shown" in heard())

    play_commands(scenario)
    assert "a word on standard error" in heard()
    assert SECRET not in heard()
    assert "after the key" not in heard()


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_one_that_dies_in_a_call_may_have_done_anything(play_commands: Play, tmp_path: Path, mode: str) -> None:
    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        async with world.client("cmd", mode) as client:
            with pytest.raises(Exception, match="may have had an effect"):
                await client.call_tool("dies", {})
        assert (await world.outcomes()).count("outcome_unknown") == 1
        # The next session has a new process: once is an accident.
        async with world.client("cmd", mode) as client:
            assert text(await client.call_tool("whoami", {}))

    play_commands(scenario)


def test_killed_from_outside_in_the_middle(play_commands: Play, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        await ready(world, ledger)
        async with world.client("cmd", "2026-07-28") as client:
            call = asyncio.create_task(client.call_tool("waits", {}))
            await until(ledger.exists)
            ((_, pid),) = world.running
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(Exception, match="may have had an effect"):
                await call
        assert "outcome_unknown" in await world.outcomes()

    play_commands(scenario)


@pytest.mark.parametrize(
    ("kind", "name"), [(FreezeKind.AGENT, "bot"), (FreezeKind.SERVER, "cmd"), (FreezeKind.ALL, "*")]
)
def test_a_freeze_ends_the_call_and_the_process(
    play_commands: Play, tmp_path: Path, kind: FreezeKind, name: str
) -> None:
    ledger = tmp_path / "ledger"

    async def scenario(world: CommandWorld) -> None:
        await ready(world, ledger)
        async with world.client("cmd", agent="other") as client:
            await client.call_tool("whoami", {})
        async with world.client("cmd") as client:
            call = asyncio.create_task(client.call_tool("waits", {}))
            await until(ledger.exists)
            before = dict(world.running)
            world.freeze(kind, name)
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the client makes of it
                await call
        await until(lambda: not alive(before["bot"]))
        assert alive(before["other"]) is (kind is FreezeKind.AGENT)
        assert "outcome_unknown" in await world.outcomes()

    play_commands(scenario)


def test_an_idle_process_of_a_suspended_agent_ends(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        async with world.client("cmd") as client:
            pid = int(text(await client.call_tool("whoami", {})))
        assert alive(pid)
        world.agent("bot", *RULES, state=AgentState.SUSPENDED)
        await until(lambda: not alive(pid))

    play_commands(scenario)


def test_what_it_forked_ends_with_it(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        async with world.client("cmd") as client:
            left = int(text(await client.call_tool("forks", {})))
        ((_, pid),) = world.running
        assert alive(left)
        await world.children.close()
        assert not alive(pid)
        assert not alive(left)

    play_commands(scenario)


def test_an_idle_one_ends_and_the_next_call_starts_another(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await ready(world, tmp_path / "ledger")
        looking = asyncio.create_task(world.children.run())
        async with world.client("cmd", "2026-07-28") as client:
            first = int(text(await client.call_tool("whoami", {})))
            await until(lambda: not alive(first), patience=10)
            assert int(text(await client.call_tool("whoami", {}))) != first
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    play_commands(scenario, ChildLimits(grace=0.5, idle=0.5))


def test_there_is_a_limit(play_commands: Play, tmp_path: Path) -> None:
    async def scenario(world: CommandWorld) -> None:
        await ready(world, ledger := tmp_path / "ledger")
        await world.children.close()
        world.children._closed = False
        async with (
            world.client("cmd", "2026-07-28") as client,
            world.client("cmd", "2026-07-28", agent="other") as second,
        ):
            call = asyncio.create_task(client.call_tool("waits", {}))
            await until(ledger.exists)
            with pytest.raises(Exception, match="could not be reached"):
                await second.call_tool("whoami", {})
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await world.pipeline.drain()
        assert "not_sent" in await world.outcomes()

    play_commands(scenario, ChildLimits(grace=0.5, most=1))
