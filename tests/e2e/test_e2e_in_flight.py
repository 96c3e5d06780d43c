"""A stop that stops what is already running: real processes, the official client, enforcement points that answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from tests.e2e.peers import Peer, behind, upstream
from tests.e2e.running import PATIENCE, Home, Up, entry, waited

GRANTED = [{"action": "slow/watch", "first_use": "auto"}]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    path.write_text("", encoding="utf-8")
    return path


@pytest.fixture
def peer(home: Home, served: Up, tmp_path: Path, ledger: Path) -> Iterator[Peer]:
    command = [sys.executable, str(Path(__file__).with_name("slow_server.py")), str(ledger)]
    with upstream(command, os.environ, tmp_path / "server.log") as url:
        yield behind(home, served, tmp_path / "files", "slow", url, GRANTED)


async def cut(peer: Peer, mode: str, change: list[str], home: Home) -> tuple[MCPError, Any]:
    """Begin a call, make a change in the middle of it; how the call ended, and what the command said."""
    heard = asyncio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.set()

    async with peer.client(mode, direct=False) as client:
        call = asyncio.create_task(client.call_tool("watch", {}, progress_callback=hear))
        await asyncio.wait_for(heard.wait(), PATIENCE)
        done = await asyncio.to_thread(home.remit, *change, "--json")
        assert done.code == 0, done.err
        with pytest.raises(MCPError) as ended:
            await asyncio.wait_for(call, PATIENCE)
    return ended.value, done.json


def log(home: Home) -> list[dict[str, Any]]:
    done = home.remit("audit", "tail", "--count", "200", "--json")
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = done.json["entries"]
    return found


def ended(ledger: Path) -> bool:
    return "ended" in ledger.read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    ("mode", "kind", "name"),
    [("legacy", "agent", "bot"), ("legacy", "tool", "slow/watch"), ("2026-07-28", "owner", "dana")],
)
def test_a_freeze_ends_a_long_call_at_both_sides(
    home: Home, peer: Peer, ledger: Path, mode: str, kind: str, name: str
) -> None:
    error, told = asyncio.run(cut(peer, mode, ["freeze", kind, name], home))
    assert error.error.code == -32010
    assert error.error.data["code"] == "revoked"
    assert (told["contained"], told["confirmed"], told["pending"]) == (True, ["gateway"], [])
    (one,) = told["cut"] if mode != "legacy" else [each for each in told["cut"] if each["action"] == "slow/watch"]
    assert (one["agent"], one["action"], one["outcome"]) == ("bot", "slow/watch", "cut")
    assert told["cut_count"] == len(told["cut"])
    # The server's own tool was cancelled: by its connection, or by name in the era where that ends nothing.
    waited(lambda: ended(ledger))
    outcome = entry(home, kind="outcome", decision=one["decision"])
    entries = log(home)
    assert (outcome["outcome"], outcome["cause"]) == ("cut", told["id"])
    named = [
        e["cut"] for e in entries if e["kind"] == "change" and e.get("change") == "cut" and e["name"] == told["id"]
    ]
    assert sorted(each["decision"] for part in named for each in part) == sorted(c["decision"] for c in told["cut"])
    again = home.remit("freeze", kind, name, "--json").json
    assert (again["id"], again["cut"]) == (told["id"], told["cut"])
    assert home.remit("unfreeze", kind, name).code == 0
    assert home.remit("freeze", "--json").json == {"freezes": []}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_suspended_agent_loses_its_call(home: Home, peer: Peer, ledger: Path, mode: str) -> None:
    error, _ = asyncio.run(cut(peer, mode, ["agent", "suspend", "bot"], home))
    assert (error.error.code, error.error.data["code"]) == (-32010, "agent_suspended")
    waited(lambda: ended(ledger))


def test_who_may_not_freeze_cuts_nothing(home: Home, peer: Peer) -> None:
    token = home.remit("operator", "token", "vera", "--role", "viewer", "--json").json["token"]
    for words in (["bot"], ["owner", "dana"], ["tool", "slow/watch"], ["all"]):
        assert home.remit("freeze", *words, env={"REMIT_TOKEN": token}).code == 6
    owner = home.remit("operator", "token", "dana", "--role", "owner", "--json").json["token"]
    for words in (["server", "slow"], ["tool", "slow/watch"], ["all"]):
        assert home.remit("freeze", *words, env={"REMIT_TOKEN": owner}).code == 6
    assert home.remit("freeze", "--json").json == {"freezes": []}
    assert home.remit("freeze", "owner", "dana", env={"REMIT_TOKEN": owner}).code == 0
    assert home.remit("freeze", "bot", env={"REMIT_TOKEN": owner}).code == 0


class Point:
    """An enforcement point that listens, and confirms when it is told to."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base
        self.headers = {"Authorization": f"Bearer {token}"}

    @contextlib.contextmanager
    def listening(self) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
        with (
            httpx2.Client(base_url=self.base, headers=self.headers, timeout=PATIENCE, trust_env=False) as http,
            http.stream("GET", "/v1/enforcement/stream") as stream,
        ):
            assert stream.status_code == 200
            yield _events(stream.iter_lines())

    def ack(self, epoch: int) -> httpx2.Response:
        return httpx2.post(f"{self.base}/v1/enforcement/ack", json={"epoch": epoch}, headers=self.headers)

    def catch_up(self, epoch: int) -> dict[str, Any]:
        """Confirm the epoch, and whichever came since, as the server's own tasks may move it at any time."""
        answer: dict[str, Any] = self.ack(epoch).json()
        while not answer["fresh"]:
            assert answer["epoch"] > epoch
            epoch = answer["epoch"]
            answer = self.ack(epoch).json()
        return answer


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in lines:
        if line.startswith("event: "):
            yield line.removeprefix("event: "), json.loads(next(lines).removeprefix("data: "))


def added(home: Home, up: Up, name: str) -> Point:
    done = home.remit("pep", "add", name, "--json")
    assert done.code == 0, done.err
    return Point(up.ready["api"], done.json["token"])


def test_a_freeze_is_contained_once_every_point_confirmed_or_fell_silent(home: Home, served: Up, files: Path) -> None:
    assert home.remit("apply", str(files)).code == 11  # its boundary waits, which no freeze minds
    point, silent = added(home, served, "api"), added(home, served, "silent")
    with point.listening() as events:
        kind, first = next(events)
        assert (kind, first["topics"]) == ("epoch", ["*"])
        point.catch_up(first["epoch"])
        silent.catch_up(first["epoch"])
        told = home.remit("freeze", "invoice-bot", "--no-wait", "--json").json
        assert (told["contained"], told["pending"]) == (False, ["api", "silent"])
        frozen = next(data for kind, data in events if kind == "freeze")
        assert frozen == {"kind": "agent", "name": "invoice-bot", "id": told["id"]}
        epoch = next(data["epoch"] for kind, data in events if kind == "epoch")
        assert not point.ack(first["epoch"]).json()["fresh"]  # it says what it knew before: no proof, and no lease
        answer = point.catch_up(epoch)
        assert answer == {"epoch": answer["epoch"], "fresh": True, "good_for_ms": 5000}
        waited = home.remit("freeze", "invoice-bot", "--json")
        assert "waiting for silent" in waited.err
        assert (waited.json["contained"], waited.json["pending"]) == (True, [])
        assert (waited.json["confirmed"], waited.json["expired"]) == (["gateway", "api"], ["silent"])
        assert home.remit("unfreeze", "invoice-bot").code == 0
        assert next(data for kind, data in events if kind == "unfreeze")["id"] == told["id"]
        assert home.remit("pep", "remove", "api").code == 0
        assert [kind for kind, _ in events if kind not in {"epoch", "heartbeat"}] == []  # and it ends


def test_only_a_registered_point_hears_and_confirms(home: Home, served: Up) -> None:
    base, point = served.ready["api"], added(home, served, "api")
    stranger = Point(base, "rmp_nobody")
    assert stranger.ack(0).status_code == 401
    assert httpx2.get(f"{base}/v1/enforcement/stream", headers=stranger.headers).status_code == 401
    operator = home.remit("operator", "token", "sam", "--role", "security", "--json").json["token"]
    assert Point(base, operator).ack(0).status_code == 401
    assert point.ack(10**6).json()["code"] == "malformed"
    assert point.ack(-1).status_code == 400
    url = f"{base}/v1/enforcement/ack"
    for body in (b"{}", b'{"epoch": true}', b'{"epoch": 1.0}', b'{"epoch": 0, "epoch": 1}', b"[]", b'{"epoch": "0"}'):
        headers = point.headers | {"Content-Type": "application/json"}
        assert httpx2.post(url, content=body, headers=headers).status_code == 400
    assert httpx2.post(url, content=b"{}", headers=point.headers).status_code == 415
