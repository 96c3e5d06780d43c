"""The methods of MCP beside `tools/call` that a boundary can grant, each an action `server:method`. Pure.

A server says nothing about them: what may be bounded, and how risky one is, is the protocol's and stands here. So
each is written as a tool with a definition that never changes, and everything that is decided about tools is decided
about these too.

The last three are what a *server* asks of its agent (MCP 2025-11-25: client features; 2026-07-28: `inputRequests`).
They take data out of the agent, so each server needs its own grant for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.catalog.model import PinState, Server, Tier, Tool
from remit.catalog.pin import pin
from remit.kernel.names import ToolName, split_action

SAMPLING: Final = "sampling/createMessage"
ELICITATION: Final = "elicitation/create"
ROOTS: Final = "roots/list"
ASKED_OF_AGENTS: Final = frozenset({SAMPLING, ELICITATION, ROOTS})

_TEXT: Final = {"type": "string"}
_TASK: Final = {"taskId": {**_TEXT, "description": "The task, which the server gave this agent"}}
_URI: Final = {"uri": {**_TEXT, "description": "The resource"}}


def _method(name: str, tier: Tier, description: str, required: tuple[str, ...] = (), /, **arguments: Any) -> Tool:  # noqa: ANN401 - JSON Schemas
    schema = {"type": "object", "properties": arguments, "required": list(required), "additionalProperties": False}
    definition = {"name": name, "description": description, "inputSchema": schema}
    return Tool(
        name=ToolName(name), tier=tier, pin=pin(definition), definition=definition, seen=None, state=PinState.APPROVED
    )


_ALL: Final = (
    _method("resources/list", Tier.LOW, "List the server's resources that may be read"),
    _method("resources/templates/list", Tier.LOW, "List the templates of resources that may be read"),
    _method("resources/read", Tier.LOW, "Read a resource", ("uri",), **_URI),
    _method("resources/subscribe", Tier.LOW, "Be told when a resource changes", ("uri",), **_URI),
    _method("resources/unsubscribe", Tier.LOW, "Be told no more when a resource changes", ("uri",), **_URI),
    _method("prompts/list", Tier.LOW, "List the prompts that may be got"),
    _method(
        "prompts/get",
        Tier.LOW,
        "Get a prompt",
        ("name",),
        name=_TEXT,
        arguments={"type": "object", "additionalProperties": _TEXT},
    ),
    _method(
        "completion/complete",
        Tier.LOW,
        "Complete an argument of a prompt (name) or of a resource template (uri)",
        ("argument", "value"),
        name=_TEXT,
        uri=_TEXT,
        argument=_TEXT,
        value=_TEXT,
        arguments={"type": "object", "additionalProperties": _TEXT},
    ),
    _method("logging/setLevel", Tier.LOW, "Choose what the server logs to the agent", ("level",), level=_TEXT),
    _method(
        "subscriptions/listen",
        Tier.LOW,
        "Be told of changes: of lists, and of the resources named in uri",
        uri={"type": "array", "items": _TEXT},
    ),
    _method("tasks/list", Tier.LOW, "List the agent's own tasks"),
    _method("tasks/get", Tier.LOW, "See where one of the agent's own tasks stands", ("taskId",), **_TASK),
    _method("tasks/result", Tier.LOW, "Wait for what one of the agent's own tasks comes to", ("taskId",), **_TASK),
    _method("tasks/update", Tier.MEDIUM, "Answer what one of the agent's own tasks asks", ("taskId",), **_TASK),
    _method("tasks/cancel", Tier.MEDIUM, "End one of the agent's own tasks", ("taskId",), **_TASK),
    _method(
        SAMPLING,
        Tier.MEDIUM,
        "The server has the agent's model write something",
        maxTokens={"type": "integer"},
        includeContext=_TEXT,
    ),
    _method(
        ELICITATION,
        Tier.MEDIUM,
        "The server asks the agent's user: by a form, or at a URL (url_host: its host)",
        ("mode",),
        mode={"type": "string", "enum": ["form", "url"]},
        url=_TEXT,
        url_host=_TEXT,
    ),
    _method(ROOTS, Tier.MEDIUM, "The server asks which folders the agent works in"),
)
METHODS: Final[Mapping[str, Tool]] = {tool.name: tool for tool in _ALL}
# Which argument says which one of its kind a method is about: what no bound on it covers, the agent does not see.
NAMED: Final[Mapping[str, str]] = {
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
    "prompts/get": "name",
}


def grantable(method: str) -> bool:
    """Whether a boundary can name the method."""
    return method in METHODS


def target(server: Server, action: str) -> Tool | None:
    """What an action on `server` calls: one of its tools, or a method; None if there is no such thing."""
    _, name, is_tool = split_action(action)
    return server.tools.get(ToolName(name)) if is_tool else METHODS.get(name)
