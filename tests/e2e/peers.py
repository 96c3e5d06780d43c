"""The official client at a real server, once direct and once through a real gateway process."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.e2e.running import PATIENCE, Home, Up

from remit.sdk import keyfile
from remit.sdk.auth import AgentAuth
from remit.sdk.grant import Grant


@contextlib.contextmanager
def upstream(command: Sequence[str], environ: Mapping[str, str], log: Path) -> Iterator[str]:
    """A server process that says {"port": N} on its stdout; yields its MCP URL."""
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, text=True
        )
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if line.startswith('{"port"')), None)
            assert line is not None, log.read_text(encoding="utf-8")
            yield f"http://127.0.0.1:{json.loads(line)['port']}/mcp"
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def tree(root: Path, server: str, url: str, actions: Sequence[Any]) -> Path:
    """A directory for `remit apply`: one server, `bot` (DPoP) and `plain` (no sender constraint), the same boundary."""
    allow = [
        # These servers' tools have no tier, so they are high: the owner lets them start by themselves.
        {"first_use": "auto", **({"action": f"{server}/{action}"} if isinstance(action, str) else action)}
        for action in actions
    ]
    documents: dict[str, Any] = {
        "owners": [
            {"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test", "backup": ["lee"]},
            {"owner": "lee", "name": "Lee Okafor", "email": "lee@example.test"},
        ],
        "purposes": {
            "purpose": "work",
            "statement": "Do what the test does",
            "actions": [f"{server}/*", f"{server}:*"],
            "data_classes": ["public"],
            "not_after": "2029-12-31",
        },
        "servers": {"server": server, "kind": "mcp", "url": url, "review": "pin-on-first-use"},
    }
    for agent, constraint in (("bot", "dpop"), ("plain", "none")):
        documents[f"agent-{agent}"] = {
            "agent": agent,
            "owner": "dana",
            "version": "1.0",
            "purposes": ["work"],
            "max_instances": 20,
            "sender_constraint": constraint,
            "not_after": "2029-12-31",
            "max_run": "8h",
            "attest": [{"private_key_jwt": {"jwk_file": f"{agent}.pub.jwk"}}],
        }
        documents[f"boundary-{agent}"] = {
            "boundary": f"{agent}-work",
            "agent": agent,
            "purpose": "work",
            "allow": allow,
            "not_after": "2029-12-31",
        }
    for name, value in documents.items():
        kind = {"agent": "agents", "boundary": "boundaries"}.get(name.split("-")[0], name)
        path = root / f"{kind}.yaml" if kind == "owners" else root / kind / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")  # JSON is YAML
    return root


@dataclass(frozen=True)
class Peer:
    """A server and the gateway before it."""

    direct: str
    gateway: str  # Remit's own URL
    name: str  # of the server
    keys: Path

    @contextlib.asynccontextmanager
    async def client(self, mode: str, *, direct: bool, **declared: Any) -> AsyncIterator[Client]:
        """The official client, at the server itself or, with DPoP-bound tokens, at the gateway.

        `declared`: what it answers servers with (`sampling_callback`, ...), and so says that it can.
        """
        auth = None if direct else AgentAuth(self.gateway, "bot", self.keys / "bot", "work")
        url = self.direct if direct else f"{self.gateway}/mcp/{self.name}"
        async with (
            httpx2.AsyncClient(auth=auth, timeout=PATIENCE, trust_env=False) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode, **declared) as client,
        ):
            yield client

    def plain_token(self) -> str:
        """An access token of `plain` that is bound to no key."""
        key = keyfile.load(self.keys / "plain")
        form = Grant(self.gateway, "plain", key, "work", self.name, key).form()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
            answer = client.post(f"{self.gateway}/oauth2/token", content=form, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"] == "Bearer"
        return str(answer.json()["access_token"])


def behind(home: Home, up: Up, root: Path, server: str, url: str, actions: Sequence[Any]) -> Peer:
    """Put the server at `url` behind the running gateway, with `actions` granted."""
    files = tree(root, server, url, actions)
    for agent in ("bot", "plain"):
        done = home.remit("agent", "keygen", agent, "--out", str(files / "agents" / agent))
        assert done.code == 0, done.err
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err
    return Peer(url, up.ready["api"], server, files / "agents")


async def transfers(peer: Peer) -> list[bool]:
    """Whether each of three calls was refused: a small transfer, a large one, counting."""
    async with peer.client("2026-07-28", direct=False) as client:
        results = [
            await client.call_tool("transfer", {"amount": 5, "currency": "EUR"}),
            await client.call_tool("transfer", {"amount": 200, "currency": "EUR"}),
            await client.call_tool("count", {"to": 1}),
        ]
    return [bool(result.is_error) for result in results]


def plainly(value: Any) -> Any:
    """A model of the SDK's as the JSON that was sent."""
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)
