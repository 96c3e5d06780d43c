"""An agent's calls as they go over the wire, with real tokens and proofs, and what came back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2

from remit.sdk.auth import AgentAuth, TokenRefused

VERSION = "2026-07-28"
_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "fault", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True)
class Answer:
    """What came back: `kind` is allowed, denied, unavailable or other."""

    kind: str
    code: str = ""
    decision: str = ""
    said: Any = None


@dataclass
class Agent:
    """One running copy of an agent. `last` is the newest request that was answered."""

    url: str
    name: str
    key: Path
    purpose: str
    server: str
    last: httpx2.Request | None = None
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        auth = AgentAuth(self.url, self.name, self.key, self.purpose)
        self.http = httpx2.Client(auth=auth, timeout=30, trust_env=False)

    def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool once. Raises httpx2.TransportError if there was no answer."""
        params = {"name": tool, "arguments": arguments, "_meta": _ENVELOPE}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        try:
            response = self.http.post(f"{self.url}/mcp/{self.server}", content=json.dumps(body), headers=headers)
        except TokenRefused as error:
            kind = "unavailable" if error.cause.error == "temporarily_unavailable" else "other"
            return Answer(kind, said=str(error))
        self.last = response.request
        return read(response.status_code, response.json())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()


def read(status: int, body: dict[str, Any]) -> Answer:
    """What an answer of the gateway to `tools/call` means."""
    result, error = body.get("result"), body.get("error")
    if isinstance(result, dict) and not result.get("isError"):
        return Answer("allowed", said=result)
    if isinstance(result, dict):
        denial = (result.get("_meta") or {}).get("dev.remit/denial") or {}
        if "code" in denial:
            return Answer("denied", denial["code"], denial["decision_id"], denial)
    if isinstance(error, dict):
        data = error.get("data") or {}
        if error["code"] == -32603 and data.get("code") == "enforcement_unavailable":
            return Answer("unavailable", data["code"], said=data)
    return Answer("other", said={"status": status, **body})
