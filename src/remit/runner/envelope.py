"""A message of a stdio client as a request to the gateway (pure): which headers go with it, in either era of MCP."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Headers = list[tuple[bytes, bytes]]

_VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_BOTH: Final = (b"accept", b"application/json, text/event-stream")
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the client. `id` is None for a notification."""

    method: str
    id: str | int | None
    params: Mapping[str, Any]
    body: bytes

    @property
    def version(self) -> str | None:
        """The version that a request of the modern era names; None in the handshake era."""
        meta = self.params.get("_meta")
        found = meta.get(_VERSION_KEY) if isinstance(meta, dict) else None
        return found if isinstance(found, str) else None


class NotOne(ValueError):
    """A line that is not one message, with the JSON-RPC error that says so."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def answer(self) -> bytes:
        """For the client."""
        error = {"code": self.code, "message": str(self)}
        return json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()


def read(line: bytes) -> Said | None:
    """The message in a line; None for an answer to a server's question, which nothing ever put.

    What the line says is judged by the gateway; here it is only told where it belongs.

    Raises:
        NotOne: It is no JSON, a batch, or neither a request nor a notification.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NotOne(PARSE_ERROR, "Parse error") from error
    if not isinstance(found, dict):
        raise NotOne(INVALID_REQUEST, "One message to a line; there are no batches")
    method, number, params = found.get("method"), found.get("id"), found.get("params")
    if not isinstance(method, str):
        if "result" in found or "error" in found:
            return None
        raise NotOne(INVALID_REQUEST, "Invalid request")
    known = number if isinstance(number, (str, int)) and not isinstance(number, bool) else None
    return Said(method, known, params if isinstance(params, dict) else {}, line)


def modern(said: Said, version: str) -> Headers:
    """The routing headers of a request of the modern era (MCP 2026-07-28, transports)."""
    found = [
        (b"mcp-protocol-version", version.encode("latin-1", "replace")),
        (b"mcp-method", header_value(said.method)),
    ]
    name = said.params.get(_NAMED.get(said.method, ""))
    if isinstance(name, str):
        found.append((b"mcp-name", header_value(name)))
    return [*_own(), *found]


def handshake(version: str | None, session: str | None) -> Headers:
    """The headers of a message of the handshake era."""
    found = []
    if version is not None:
        found.append((b"mcp-protocol-version", version.encode("latin-1", "replace")))
    if session is not None:
        found.append((b"mcp-session-id", session.encode("latin-1", "replace")))
    return [*_own(), *found]


def _own() -> Headers:
    return [(b"content-type", b"application/json"), _BOTH, (b"user-agent", b"remit-mcp-stdio")]


def header_value(text: str) -> bytes:
    """`text` as a routing header's value: as it is if a header can hold it, else as base64 (SEP-2243)."""
    plain = text.isascii() and text.isprintable() and text == text.strip() and text != ""
    if plain and not (text.lower().startswith("=?base64?") and text.endswith("?=")):
        return text.encode("ascii")
    return b"=?base64?" + base64.b64encode(text.encode("utf-8", "surrogatepass")) + b"?="


class Messages:
    """The messages of an event stream (WHATWG HTML section 9.2.6), whatever the borders of its chunks."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """What `chunk` completes, each on one line."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        found: list[bytes] = []
        for line in (each.rstrip(b"\r") for each in lines):
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                found.append(b" ".join(self._data))
                self._data = []
        return found
