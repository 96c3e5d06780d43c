"""The local socket in process, on a real database: who is let in, what is answered, and when a run is over."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from remit.attestation.model import Process
from remit.policy.view import View
from remit.server import local_socket
from remit.server.local_socket import LocalSocket

Talk = Callable[[dict[str, Any] | bytes], Awaitable[dict[str, Any]]]
DIGEST = "ab" * 32


@pytest.fixture
def local(world: Any) -> Any:
    """`invoice-bot` may be this user's processes too."""
    found = world.standing.agents["invoice-bot"].agent
    world.register(replace(found, uids=(os.geteuid(),), max_instances=1))
    world.database.writer.change(lambda tx: world.ring.ensure_data_key(tx, "agent:invoice-bot"))
    return world


def ask(world: Any, **changes: Any) -> dict[str, Any]:
    found = {
        "agent": "invoice-bot", "purpose": "pay-invoices", "servers": ["payments"], "proof": world.proof(),
        "digest": DIGEST, "argv": ["python", "a word"],
    } | changes  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def served(world: Any, folder: Path, scene: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]) -> Any:
    """Play `scene`, which is given a way to connect."""

    async def play() -> Any:
        view = cast("View", SimpleNamespace(agents={}))
        server = LocalSocket(folder, world.service, lambda: view)
        await server.start()
        opened: list[asyncio.StreamWriter] = []

        async def connect() -> Any:
            reader, writer = await asyncio.open_unix_connection(folder / "remit.sock")
            opened.append(writer)
            return reader, writer

        try:
            return await scene(connect)
        finally:
            await server.close()
            for writer in opened:
                writer.close()

    return asyncio.run(play())


async def say(streams: Any, line: dict[str, Any] | bytes) -> dict[str, Any]:
    reader, writer = streams
    writer.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
    answer = await reader.readline()
    found: dict[str, Any] = json.loads(answer) if answer else {}
    return found


def answers(world: Any, folder: Path, *lines: dict[str, Any] | bytes) -> list[dict[str, Any]]:
    async def scene(connect: Any) -> list[dict[str, Any]]:
        streams = await connect()
        found = [await say(streams, line) for line in lines]
        streams[1].close()
        return found

    found: list[dict[str, Any]] = served(world, folder, scene)
    return found


def test_a_token_like_any_other(local: Any, tmp_path: Path) -> None:
    (answer,) = answers(local, tmp_path, ask(local))
    assert (answer["status"], answer["token_type"], answer["purpose"]) == (200, "DPoP", "pay-invoices")
    caller, _ = local.check(answer["access_token"])
    assert (caller.agent, caller.credential, caller.bound) == ("invoice-bot", f"uid:{os.geteuid()}", True)
    assert (caller.run, caller.instance) == (answer["run"], local.instance_key.public.thumbprint)
    (entry,) = local.entries("token")
    assert (entry["pid"], entry["digest"], entry["credential"]) == (os.getpid(), DIGEST, f"uid:{os.geteuid()}")
    assert "a word" not in json.dumps(entry)


def test_renewed_it_is_the_same_run(local: Any, tmp_path: Path) -> None:
    first, second = answers(local, tmp_path, ask(local), ask(local, digest=None, argv=None))
    assert first["run"] == second["run"]
    assert first["access_token"] != second["access_token"]


def test_when_the_connection_breaks_the_run_is_over(local: Any, tmp_path: Path) -> None:
    async def scene(connect: Any) -> list[Any]:
        first = await connect()
        found = [await say(first, ask(local))]
        other = local.new_key()
        second = await connect()
        found.append(await say(second, ask(local, proof=local.proof(key=other))))
        first[1].close()
        async with asyncio.timeout(20):
            while not local.entries("change"):
                await asyncio.to_thread(local.entries, "change")
        found.append(await say(second, ask(local, proof=local.proof(key=other))))
        return found

    held, full, free = served(local, tmp_path, scene)
    assert (held["status"], free["status"]) == (200, 200)
    assert (full["status"], full["error"]) == (400, "unauthorized_client")
    (entry,) = local.entries("change")
    assert (entry["what"], entry["change"], entry["name"]) == ("run", "end", held["run"])


def test_a_server_that_stops_ends_no_run(local: Any, tmp_path: Path) -> None:
    async def scene(connect: Any) -> dict[str, Any]:
        streams = await connect()
        return await say(streams, ask(local))

    first = served(local, tmp_path, scene)
    assert local.entries("change") == []
    assert served(local, tmp_path, scene)["run"] == first["run"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"agent": "nobody"}, "invalid_client"),
        ({"agent": "plain-bot"}, "invalid_client"),  # attested by its key alone
        ({"purpose": "other"}, "invalid_scope"),
        ({"purpose": None}, "invalid_scope"),  # it has two
        ({"proof": "a.b.c"}, "invalid_dpop_proof"),
        ({"proof": None}, "malformed"),
        ({"uid": 0}, "malformed"),
        ({"servers": ["A"]}, "malformed"),
    ],
)
def test_what_is_refused(local: Any, tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    (answer,) = answers(local, tmp_path, ask(local, **changes))
    assert answer["error"] == error, answer
    assert local.entries("token") == []


def test_the_checks_of_the_token_endpoint_are_made(local: Any, tmp_path: Path) -> None:
    for changes, error in (
        ({"frozen": True}, "unauthorized_client"),
        ({"owner_active": False}, "unauthorized_client"),
        ({"frozen_credentials": frozenset({f"uid:{os.geteuid()}"})}, "unauthorized_client"),
        ({"agent_uids": (os.geteuid() + 1,)}, "invalid_client"),
    ):
        before = local.standing.agents["invoice-bot"]
        local.change("invoice-bot", **changes)
        (answer,) = answers(local, tmp_path, ask(local))
        assert answer["error"] == error, changes
        local.standing.agents["invoice-bot"] = before


def test_a_proof_is_used_once(local: Any, tmp_path: Path) -> None:
    proof = local.proof()
    first, second = answers(local, tmp_path, ask(local, proof=proof), ask(local, proof=proof))
    assert (first["status"], second["error"]) == (200, "invalid_dpop_proof")


@pytest.mark.parametrize("line", [b"\n", b"{\n", b"[]\n", b'{"agent": "a", "agent": "b"}\n', b"\xff\n", b"null\n"])
def test_a_line_that_is_no_request_is_answered_and_the_next_one_too(local: Any, tmp_path: Path, line: bytes) -> None:
    bad, good = answers(local, tmp_path, line, ask(local))
    assert (bad["status"], bad["error"], good["status"]) == (400, "malformed", 200)


def test_a_line_without_an_end_is_cut_off(local: Any, tmp_path: Path) -> None:
    (answer,) = answers(local, tmp_path, b"x" * 200_000)
    assert answer == {}


def test_another_user_is_another_process(local: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel says of the socket counts, and nothing in the line."""
    told = Process(uid=os.geteuid() + 1, pid=1, digest=None)
    monkeypatch.setattr(local_socket, "_peer", lambda _connection: told)
    (answer,) = answers(local, tmp_path, ask(local))
    assert answer["error"] == "invalid_client"


def test_a_path_longer_than_a_sockets_may_be(local: Any, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()

    async def scene(_connect: Any) -> bool:
        return (deep / "remit.sock").is_socket()

    assert served(local, deep, scene)
    assert not (deep / "remit.sock").exists()


def test_what_lies_in_its_place_stays(local: Any, tmp_path: Path) -> None:
    (tmp_path / "remit.sock").write_text("mine", encoding="utf-8")

    async def scene(_connect: Any) -> None:
        return None

    served(local, tmp_path, scene)
    assert (tmp_path / "remit.sock").read_text(encoding="utf-8") == "mine"
