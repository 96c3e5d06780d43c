"""Reading what an agent sends, as pure functions: one strict JSON-RPC message and its headers.

Whatever is not understood is refused here, before a decision: a batch (a one-element array
carried a forbidden call past a relay that only looked at objects), a duplicate key (parsers
differ on which one counts), a response (nothing was asked of the agent), an unknown member.
What goes upstream is encoded anew from the values read here, never the bytes that came in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.enforcement import offers
from remit.enforcement.model import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, BadMessage, Message, RpcId
from remit.kernel import canonical
from remit.kernel.errors import Malformed

_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9_$./-]{0,127}\Z")
_MEMBERS: Final = frozenset({"jsonrpc", "id", "method", "params"})
_MAX_ID: Final = 256
_MAX_NAME: Final = 1024
_SAFE_INTEGER: Final = 2**53

# Members that no policy reads are side doors around argument bounds: only what the protocol's revisions
# define for a method goes upstream. Of a method that is not here, `_meta` alone. A test compares with `mcp_types`.
DEFINED: Final[Mapping[str, frozenset[str]]] = {
    "completion/complete": frozenset({"ref", "argument", "context"}),
    "initialize": frozenset({"protocolVersion", "capabilities", "clientInfo"}),
    "logging/setLevel": frozenset({"level"}),
    "notifications/cancelled": frozenset({"requestId", "reason"}),
    "notifications/progress": frozenset({"progressToken", "progress", "total", "message"}),
    "prompts/get": frozenset({"name", "arguments"}),
    "prompts/list": frozenset({"cursor"}),
    "resources/list": frozenset({"cursor"}),
    "resources/read": frozenset({"uri"}),
    "resources/subscribe": frozenset({"uri"}),
    "resources/templates/list": frozenset({"cursor"}),
    "resources/unsubscribe": frozenset({"uri"}),
    "subscriptions/listen": frozenset({"notifications"}),
    "tasks/cancel": frozenset({"taskId"}),
    "tasks/get": frozenset({"taskId"}),
    "tasks/list": frozenset({"cursor"}),
    "tasks/result": frozenset({"taskId"}),
    "tasks/update": frozenset({"taskId", "inputResponses"}),
    "tools/call": frozenset({"name", "arguments"}),
    "tools/list": frozenset({"cursor"}),
}
_WITH_OBJECTS: Final = frozenset({"completion/complete", "subscriptions/listen"})
NOTHING: Final[Mapping[str, Any]] = {}
_META_TEXT: Final = frozenset(
    {"progressToken", "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/logLevel"}
)
_META_CLIENT: Final = "io.modelcontextprotocol/clientInfo"
_META_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
_CLIENT: Final = frozenset({"name", "title", "version", "description", "websiteUrl"})
_ICON: Final = frozenset({"src", "mimeType", "theme"})
_CALL_PARAMS: Final = frozenset({"name", "arguments", "_meta"})
# Of parameters that are objects: what is decided of them, and goes upstream.
_NESTED: Final[Mapping[str, frozenset[str]]] = {
    "ref": frozenset({"type", "name", "uri"}),
    "argument": frozenset({"name", "value"}),
    "context": frozenset({"arguments"}),
    "notifications": frozenset(
        {"toolsListChanged", "promptsListChanged", "resourcesListChanged", "resourceSubscriptions"}
    ),
}
# What a call of the modern era carries on with: no parameter of the tool's, and read only with its state.
INPUTS: Final = frozenset({"inputResponses", "requestState"})
# The parameter that says which one of its kind a method is about.
NAMED: Final[Mapping[str, str]] = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
    "tasks/get": "taskId",
    "tasks/result": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}


def header_map(raw: Iterable[tuple[bytes, bytes]]) -> tuple[dict[str, str], str | None]:
    """Headers by lower-case name, and the name of an MCP header that came twice, if one did.

    Any other repeated header is joined with a comma, which no single-valued field survives: two
    tokens or two proofs are then neither. White space around a value is no part of it (RFC 9110
    section 5.5); the HTTP parser leaves what stands after it.
    """
    headers: dict[str, str] = {}
    repeated: str | None = None
    for key, value in raw:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        if name in headers:
            text = f"{headers[name]}, {text}"
            repeated = name if name.startswith("mcp-") else repeated
        headers[name] = text
    return headers, repeated


def json_media_type(headers: Mapping[str, str]) -> bool:
    """Whether the body is declared as plain JSON in UTF-8, not encoded any further."""
    if headers.get("content-encoding", "identity") != "identity":
        return False
    kind, _, rest = headers.get("content-type", "").partition(";")
    charset = rest.strip().lower().removeprefix("charset=").strip('"')
    return kind.strip().lower() == "application/json" and charset in {"", "utf-8", "utf8"}


def accepts(headers: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether the agent takes JSON, and whether it takes an event stream."""
    kinds = [part.partition(";")[0].strip().lower() for part in headers.get("accept", "*/*").split(",")]
    everything = "*/*" in kinds
    return (
        everything or "application/json" in kinds or "application/*" in kinds,
        everything or "text/event-stream" in kinds or "text/*" in kinds,
    )


def message(body: bytes) -> Message:
    """Read one request or notification.

    Raises:
        BadMessage: -32700 if it is not strict JSON, -32600 if it is not one message.
    """
    try:
        value = canonical.parse(body)
    except Malformed as error:
        raise BadMessage(PARSE_ERROR, f"Parse error: {error.public}") from error
    if not isinstance(value, dict):
        raise BadMessage(INVALID_REQUEST, "Body must be a single JSON-RPC request or notification object")
    identity = _identity(value)
    method, params = value.get("method"), value.get("params")
    if value.get("jsonrpc") != "2.0" or not value.keys() <= _MEMBERS or not isinstance(method, str):
        raise BadMessage(INVALID_REQUEST, "Not a JSON-RPC 2.0 request or notification", id=identity)
    if not _METHOD.match(method):
        raise BadMessage(INVALID_REQUEST, "The method's name is not well-formed", id=identity)
    if params is not None and not isinstance(params, dict):
        raise BadMessage(INVALID_REQUEST, "params must be an object", id=identity)
    return Message(method, identity, params)


def _identity(value: Mapping[str, Any]) -> RpcId:
    if "id" not in value:
        return None
    identity = value["id"]
    if isinstance(identity, str) and len(identity) <= _MAX_ID:
        return identity
    if isinstance(identity, int) and not isinstance(identity, bool) and abs(identity) < _SAFE_INTEGER:
        return identity
    raise BadMessage(INVALID_REQUEST, "The id must be a string or an integer")


@dataclass(frozen=True, slots=True)
class AgentReply:
    """An agent's answer to what its server asked: the id that it was asked by, and `result` or `error`."""

    id: RpcId
    said: Mapping[str, Any]


def reply(body: bytes) -> AgentReply | None:
    """Read an agent's answer; None if it is not exactly one."""
    try:
        value = canonical.parse(body)
    except Malformed:
        return None
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0" or not isinstance(value.get("id"), str):
        return None
    said = {key: member for key, member in value.items() if key not in {"jsonrpc", "id"}}
    if not (said.keys() == {"result"} or said.keys() == {"error"}) or not all(
        isinstance(m, dict) for m in said.values()
    ):
        return None
    return AgentReply(value["id"], said)


def call_params(sent: Message, *, beside: frozenset[str] = frozenset()) -> tuple[str, dict[str, Any] | None]:
    """The tool's name and the arguments of a `tools/call`.

    Whether such a tool exists plays no part here: what is hidden must look like what is not there. `beside` are
    further members that are looked at elsewhere.

    Raises:
        BadMessage: -32602.
    """
    params = sent.params or {}
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or not name or len(name) > _MAX_NAME:
        raise BadMessage(INVALID_PARAMS, "params.name must name a tool", id=sent.id)
    if arguments is not None and not isinstance(arguments, dict):
        raise BadMessage(INVALID_PARAMS, "params.arguments must be an object", id=sent.id)
    if unknown := sorted(params.keys() - _CALL_PARAMS - beside):
        # A member that no decision covers is a way around one.
        raise BadMessage(INVALID_PARAMS, f"params.{unknown[0][:64]} is not available here", id=sent.id)
    return name, arguments


def forwarded(
    sent: Message,
    *,
    modern: bool,
    granted: Callable[[], Collection[str]] = frozenset,
    more: Mapping[str, Any] = NOTHING,
) -> bytes:
    """The message as it goes upstream: the decided values, without what nothing decided.

    Args:
        sent: What the agent sent.
        modern: Its era.
        granted: The methods granted to the agent; asked if it declares capabilities.
        more: Parameters that Remit adds: the state of a call that is carried on with.
    """
    out: dict[str, Any] = {"jsonrpc": "2.0", "method": sent.method}
    if sent.id is not None:
        out["id"] = sent.id
    if sent.params is not None:
        out["params"] = {**_params(sent.method, sent.params, granted, modern=modern), **more}
    return canonical.encode(out)


def _params(
    method: str, params: Mapping[str, Any], granted: Callable[[], Collection[str]], *, modern: bool
) -> dict[str, Any]:
    defined = DEFINED.get(method, frozenset())
    out = {key: value for key, value in params.items() if key in defined}
    if method in _WITH_OBJECTS:
        for key in out.keys() & _NESTED.keys():
            out[key] = {name: member for name, member in out[key].items() if name in _NESTED[key]}
    if "_meta" in params:
        out["_meta"] = _meta(params["_meta"], granted, modern=modern)
    if method == "initialize":
        out["clientInfo"] = _client(params.get("clientInfo"))
        out["capabilities"] = _declared(params.get("capabilities"), granted, modern=modern)
    return out


def _meta(given: object, granted: Callable[[], Collection[str]], *, modern: bool) -> dict[str, Any]:
    meta = given if isinstance(given, dict) else {}
    out: dict[str, Any] = {
        key: value for key, value in meta.items() if key in _META_TEXT and isinstance(value, (str, int))
    }
    if _META_CLIENT in meta:
        out[_META_CLIENT] = _client(meta[_META_CLIENT])
    if modern:
        out[_META_CAPABILITIES] = _declared(meta.get(_META_CAPABILITIES), granted, modern=True)
    return out


def _declared(given: object, granted: Callable[[], Collection[str]], *, modern: bool) -> dict[str, Any]:
    # Every capability that is defined lets a server ask things of the agent, which takes a grant for each.
    return offers.declared(given, granted(), modern=modern) if given else {}


def _client(given: object) -> dict[str, Any]:
    """Who the agent's client says it is (`Implementation`)."""
    client = given if isinstance(given, dict) else {}
    out: dict[str, Any] = _texts(client, _CLIENT)
    icons = client.get("icons")
    if isinstance(icons, list):
        out["icons"] = [_texts(icon, _ICON) for icon in icons if isinstance(icon, dict)]
    return out


def _texts(given: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key in names and isinstance(value, str)}


def named(sent: Message) -> str | None:
    """The tool, prompt or resource the message is about."""
    key = NAMED.get(sent.method)
    value = (sent.params or {}).get(key) if key else None
    return value if isinstance(value, str) else None
