"""How answers and refusals look on MCP's wire (pure). The shapes are those of the documentation's error pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.enforcement.model import (
    DENIED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    BadMessage,
    RpcId,
)
from remit.kernel import canonical
from remit.kernel.errors import RemitError
from remit.policy import denial
from remit.policy.denial import undecided
from remit.policy.model import Denial
from remit.vault.connection import NotConnected

META_KEY: Final = "dev.remit/denial"
WITHHELD: Final = "The server's answer was withheld: it carried a credential back"
UNREACHABLE: Final = "The server could not be reached; the call was not sent"
# The server refused in so many words (an HTTP status), but not so that its answer can be passed on.
NO_ANSWER: Final = "The server did not answer as it should"
UNSURE: Final = "The call was sent, and the server gave no answer that can be read: it may have had an effect"
TOO_LARGE: Final = "The server's answer is too large"
ASKS: Final = "The server asked the agent for input, which nothing grants here"
UNKNOWN_SESSION: Final = "Session not found"

# Methods about one named thing, which is what is said not to exist.
NAMED_UNKNOWN: Final = frozenset({"tools/call", "prompts/get", "resources/read"})


def without_credential(error: RemitError) -> Denial:
    """The denial of a call whose credential is not to be had. A person may have to lend it; else trying may help."""
    if isinstance(error, NotConnected):
        return denial.step_up_required(error.public, person=error.person, cause=error.code)
    return denial.unavailable(step=11, cause=error.code)


def error(id: RpcId, code: int, message: str, data: object = None) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """A JSON-RPC error response."""
    body: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        body["data"] = data
    return canonical.encode({"jsonrpc": "2.0", "id": id, "error": body})


def result(id: RpcId, body: Mapping[str, Any]) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """A JSON-RPC success response."""
    return canonical.encode({"jsonrpc": "2.0", "id": id, "result": body})


def refused_message(fault: BadMessage) -> bytes:
    """The answer to a message that was not understood."""
    return error(fault.id, fault.rpc, fault.public, fault.data)


def denied_tool(id: RpcId, denial: Mapping[str, Any], *, modern: bool) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """A denial of `tools/call`: a tool result that the agent's model reads, with the denial as data beside it."""
    body: dict[str, Any] = {
        "content": [{"type": "text", "text": canonical.encode(denial).decode("utf-8")}],
        "structuredContent": denial,
        "isError": True,
        "_meta": {META_KEY: denial},
    }
    if modern:
        body["resultType"] = "complete"
    return result(id, body)


def denied_method(id: RpcId, denial: Mapping[str, Any]) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """A denial of any other method, or of a call that was cut while it ran."""
    return error(id, DENIED, str(denial.get("title", "denied")), denial)


def unavailable(id: RpcId, told: Mapping[str, Any] | None = None) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """Remit cannot decide or record. In a denial's shape and none: nothing was decided. `told`: about which call."""
    data = told or undecided()
    return error(id, INTERNAL_ERROR, str(data["title"]), data)


def unknown_tool(id: RpcId, name: str) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """Not visible or not existing: the same bytes, because they depend on what was asked alone."""
    return error(id, INVALID_PARAMS, f"Unknown tool: {name}")


def unknown_prompt(id: RpcId, name: str) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """The same for a prompt."""
    return error(id, INVALID_PARAMS, f"Unknown prompt: {name}")


def unknown_resource(id: RpcId, uri: str) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """The same for a resource (SEP-2164)."""
    return error(id, INVALID_PARAMS, "Resource not found", {"uri": uri})


def unknown_method(id: RpcId) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """A method that the era does not have, or that this agent may not see."""
    return error(id, METHOD_NOT_FOUND, "Method not found")


def not_visible(id: RpcId, method: str, name: str | None) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """What an agent is told of what it may not see, by the method it used."""
    if method == "tools/call":
        return unknown_tool(id, name or "")
    if method == "prompts/get":
        return unknown_prompt(id, name or "")
    if method == "resources/read":
        return unknown_resource(id, name or "")
    return unknown_method(id)


def denied(id: RpcId, method: str, denial: Mapping[str, Any], *, modern: bool) -> bytes:  # noqa: A002 - JSON-RPC's own name
    """A denial by the method it answers."""
    return denied_tool(id, denial, modern=modern) if method == "tools/call" else denied_method(id, denial)


def bad_request(message: str) -> bytes:
    """A refusal before any message was read."""
    return error(None, INVALID_REQUEST, message)
