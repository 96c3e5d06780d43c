"""COAZ-MCP, the default mapping of MCP's methods to AuthZEN, as another spelling of a question about an agent's call.

The mapping knows no server of a tool, and MCP has methods that it does not know. Here a tool is `server/tool`,
`server___tool`, or its own name, where the agent sees one only that may be meant; where `context.mcp_server` names
the server, it is the tool's own name and nothing else. `server/discover`, `subscriptions/listen` and `tasks/update`
of MCP 2026-07-28 are mapped as their neighbours are. A method that is not mapped is denied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from remit.enforcement.authzen import AGENT, SERVER, Question, with_arguments
from remit.kernel.names import split_action

IDENTITY: Final = "identity"
_SERVER, _TOOL, _RESOURCE, _PROMPT, _TASK = ("mcp_server", "tool", "resource", "prompt", "task")
CALL: Final = "tools/call"
METHODS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(
        ("initialize", "tools/list", "resources/list", "prompts/list", "tasks/list", "logging/setLevel"),
        frozenset({_SERVER}),
    ),
    **dict.fromkeys(("server/discover", "subscriptions/listen"), frozenset({_SERVER})),  # not in the profile
    CALL: frozenset({_TOOL}),
    **dict.fromkeys(("resources/read", "resources/subscribe", "resources/unsubscribe"), frozenset({_RESOURCE})),
    "prompts/get": frozenset({_PROMPT}),
    "completion/complete": frozenset({_PROMPT, _RESOURCE}),
    **dict.fromkeys(("tasks/get", "tasks/result", "tasks/cancel"), frozenset({_TASK})),
    "tasks/update": frozenset({_TASK}),  # not in the profile
}
RESOURCES: Final = frozenset({_SERVER, _TOOL, _RESOURCE, _PROMPT, _TASK})
# Which argument of a method (`catalog/methods.py`) its resource is.
_ARGUMENT: Final[Mapping[str, str]] = {_RESOURCE: "uri", _PROMPT: "name", _TASK: "taskId"}
_AGGREGATED: Final = "___"


def spoken(asked: Question) -> bool:
    """Whether a question is in this spelling: what the organisation declares does not change that."""
    return asked.subject[0] == IDENTITY and asked.resource[0] in RESOURCES


def agent_of(asked: Question) -> str:
    """The agent that calls: `context.agent`; without one, the subject itself, for a token's `sub` is its agent."""
    found = asked.sent.context.get("agent")
    return found if isinstance(found, str) else asked.subject[1]


def translated(asked: Question, *, seen: Collection[str], base: str) -> Question | None:
    """The same question in Remit's own types.

    Args:
        asked: A question in this spelling.
        seen: The actions that the agent's boundaries name.
        base: This deployment's URL, under which servers are audiences.

    Returns:
        None for a method that is not mapped, or where it cannot be said which server is meant.

    Raises:
        Malformed: Purpose or arguments are of another type.
    """
    kinds = METHODS.get(asked.action, frozenset())
    if asked.resource[0] not in kinds:
        return None
    action = _tool(asked, seen, base) if asked.action == CALL else _method(asked, seen, base)
    if action is None:
        return None
    server = action.partition("/" if asked.action == CALL else ":")[0]
    found = msgspec.structs.replace(asked, subject=(AGENT, agent_of(asked)), action=action, resource=(SERVER, server))
    return _about(with_arguments(found), asked.action, asked.resource)


def _about(found: Question, method: str, resource: tuple[str, str]) -> Question:
    """The question with what a method is about among its arguments, which boundaries bound."""
    kind, name = resource
    if kind not in _ARGUMENT:
        return found
    given = dict(found.arguments or {})
    if method == "prompts/get":
        given = {"arguments": given} if given else {}
    return msgspec.structs.replace(found, arguments={**given, _ARGUMENT[kind]: name})


def _tool(asked: Question, seen: Collection[str], base: str) -> str | None:
    name, server = asked.resource[1], _named(asked, base)
    if server is not None:
        # As it stands: a new tool of that server's, named `server/tool`, must not pass for the one that was approved.
        return f"{server}/{name}"
    alike = [each for each in seen if name in (each, each.partition("/")[2], each.replace("/", _AGGREGATED, 1))]
    return alike[0] if len(alike) == 1 else None


def _method(asked: Question, seen: Collection[str], base: str) -> str | None:
    kind, name = asked.resource
    server = _audience(name, base) if kind == _SERVER else _named(asked, base)
    servers = {split_action(each)[0] for each in seen}
    if server is None and kind != _SERVER and len(servers) == 1:
        (server,) = servers
    return None if server is None else f"{server}:{asked.action}"


def _named(asked: Question, base: str) -> str | None:
    found = asked.sent.context.get(_SERVER)
    return _audience(found, base) if isinstance(found, str) else None


def _audience(name: str, base: str) -> str | None:
    """A server by its name, or by its URL here."""
    for start, end in ((f"{base}/mcp/", ""), (f"{base}/servers/", "/mcp")):
        if name.startswith(start) and name.endswith(end):
            name = name[len(start) : len(name) - len(end)]
            break
    return name if name and not set("/:") & set(name) else None
