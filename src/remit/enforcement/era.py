"""The two eras of MCP: which one a request speaks, what it may ask there, and its header rules.

Handshake era (2024-11-05 to 2025-11-25): sessions, GET and DELETE. Modern era (2026-07-28):
stateless POST whose routing headers must say what the body says. An era goes through to the
server as it came; nothing is translated.

`mcp` takes a second to import, so it is loaded on first use, or ahead of it by `warm()`.
The tables below are compared with the installed `mcp_types` by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from remit.enforcement.model import HEADER_MISMATCH, INVALID_PARAMS, BadMessage, Message

VERSION_HEADER: Final = "mcp-protocol-version"
SESSION_HEADER: Final = "mcp-session-id"
HANDSHAKE: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN: Final = ("2026-07-28",)
_UNSAID: Final = "2025-03-26"  # what a handshake request without the header speaks (2025-06-18, transports)
_PARAM_PREFIX: Final = "mcp-param-"

_BOTH: Final = frozenset(
    {
        "completion/complete",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "tools/call",
        "tools/list",
    }
)
# Of 2025-11-25 (experimental), and of the extension `io.modelcontextprotocol/tasks` of 2026-07-28.
HANDSHAKE_TASKS: Final = frozenset({"tasks/get", "tasks/list", "tasks/result", "tasks/cancel"})
MODERN_TASKS: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
TASKS: Final = HANDSHAKE_TASKS | MODERN_TASKS
HANDSHAKE_REQUESTS: Final = _BOTH | {
    "initialize",
    "logging/setLevel",
    "ping",
    "resources/subscribe",
    "resources/unsubscribe",
}
MODERN_REQUESTS: Final = _BOTH | {"server/discover", "subscriptions/listen"}
HANDSHAKE_NOTIFICATIONS: Final = frozenset(
    {
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
    }
)
MODERN_NOTIFICATIONS: Final = frozenset({"notifications/cancelled"})
# What a server may tell an agent, where it is about something that this agent has (`notices.py`).
SERVER_NOTIFICATIONS: Final = frozenset(
    {
        "notifications/cancelled",
        "notifications/elicitation/complete",
        "notifications/message",
        "notifications/progress",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/tools/list_changed",
        "notifications/subscriptions/acknowledged",
    }
)
CACHEABLE: Final = frozenset(
    {
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "server/discover",
        "tools/list",
    }
)


def warm() -> None:
    """Load what the rules below need. Takes about a second; run it in a thread after start."""
    import mcp.shared.inbound  # noqa: F401, PLC0415 - takes a second, see the module
    import mcp_types.methods  # noqa: F401, PLC0415 - comes with it


def is_modern(headers: Mapping[str, str]) -> bool:
    """Whether the request is for the modern rules: every version but the known handshake ones is."""
    version = headers.get(VERSION_HEADER)
    return version is not None and version not in HANDSHAKE


def handshake_version(headers: Mapping[str, str]) -> str:
    """The handshake version a request speaks."""
    return headers.get(VERSION_HEADER, _UNSAID)


def known(sent: Message, *, modern: bool) -> bool:
    """Whether the method exists in that era. What does not is answered -32601 and never forwarded."""
    if sent.notification:
        return sent.method in (MODERN_NOTIFICATIONS if modern else HANDSHAKE_NOTIFICATIONS)
    if sent.method in TASKS:
        return sent.method in (MODERN_TASKS if modern else HANDSHAKE_TASKS)
    return sent.method in (MODERN_REQUESTS if modern else HANDSHAKE_REQUESTS)


def check_routing(repeated: str | None, sent: Message) -> None:
    """A routing header given twice is refused: first-copy and last-copy readers would disagree.

    Raises:
        BadMessage: -32020.
    """
    if repeated is not None:
        raise BadMessage(HEADER_MISMATCH, f"{repeated} header appears more than once", id=sent.id)


def check_modern(headers: Mapping[str, str], sent: Message) -> None:
    """The envelope and its headers agree, and speak a version that is served (MCP 2026-07-28, transports).

    Raises:
        BadMessage: -32602, -32020 or -32022, each with HTTP 400.
    """
    from mcp.shared.inbound import (  # noqa: PLC0415 - takes a second, see the module
        InboundLadderRejection,
        classify_inbound_request,
        unsupported_protocol_version_rejection,
    )

    if sent.notification:
        # This version defines no envelope for notifications: only the header that brought it here counts.
        verdict: object = unsupported_protocol_version_rejection(headers.get(VERSION_HEADER, ""), MODERN)
    else:
        body = {"method": sent.method, "params": sent.params}
        verdict = classify_inbound_request(body, headers=headers, supported_modern_versions=MODERN)
    if isinstance(verdict, InboundLadderRejection):
        raise BadMessage(verdict.code, verdict.message, id=sent.id, data=verdict.data)


def check_shape(sent: Message, version: str) -> None:
    """The parameters fit the protocol's own schema for that version.

    `tools/call` is not asked here: its parameters are read one by one in `parse.call_params`.

    Raises:
        BadMessage: -32602.
    """
    if sent.method in TASKS:
        _check_task(sent)
        return
    from mcp_types import methods  # noqa: PLC0415 - takes a second, see the module
    from pydantic import ValidationError  # noqa: PLC0415 - comes with it

    validate = methods.validate_client_notification if sent.notification else methods.validate_client_request
    try:
        validate(sent.method, version, sent.params)
    except (ValidationError, KeyError) as error:
        raise BadMessage(INVALID_PARAMS, "Invalid request parameters", id=sent.id) from error


def _check_task(sent: Message) -> None:
    """The official package has no shapes for tasks: a task is named, and what a client answers is an object."""
    params = sent.params or {}
    named = sent.method == "tasks/list" or isinstance(params.get("taskId"), str)
    if not named or not isinstance(params.get("inputResponses", {}), dict):
        raise BadMessage(INVALID_PARAMS, "Invalid request parameters", id=sent.id)


def check_param_headers(
    headers: Mapping[str, str], schema: Mapping[str, Any], arguments: Mapping[str, Any], sent: Message
) -> None:
    """`Mcp-Param-*` headers say what the arguments say, by the pinned schema.

    Raises:
        BadMessage: -32020.
    """
    from mcp.shared.inbound import validate_mcp_param_headers  # noqa: PLC0415 - takes a second, see the module

    mine = {name: value for name, value in headers.items() if name.startswith(_PARAM_PREFIX)}
    rejection = validate_mcp_param_headers(schema, arguments, mine)
    if rejection is not None:
        raise BadMessage(rejection.code, rejection.message, id=sent.id)


def param_headers(paths: Mapping[tuple[str, ...], str], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The `Mcp-Param-*` headers a server expects beside these arguments."""
    from mcp.shared.inbound import mcp_param_headers  # noqa: PLC0415 - takes a second, see the module

    return mcp_param_headers(paths, arguments)


def header_paths(schema: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """Which arguments a pinned schema mirrors into headers; none if its annotations are not valid."""
    from mcp.shared.inbound import find_invalid_x_mcp_header, x_mcp_header_map  # noqa: PLC0415 - see the module

    return {} if find_invalid_x_mcp_header(schema) is not None else x_mcp_header_map(schema)


@lru_cache(maxsize=4096)
def header_value(text: str) -> str:
    """`text` as the value of a routing header: plain if printable, else the base64 sentinel form."""
    from mcp.shared.inbound import encode_header_value  # noqa: PLC0415 - takes a second, see the module

    return encode_header_value(text)
