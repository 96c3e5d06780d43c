"""What an agent sees of a server's tools: the pinned definitions of what its boundaries name, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from remit.catalog.model import PinState, Server, Tool
from remit.catalog.observe import observe
from remit.catalog.pin import pinned
from remit.enforcement import era
from remit.kernel.names import ActionName, tool_action

_HEADER_KEY = "x-mcp-header"
Narrow = Callable[[ActionName, Mapping[str, Any]], Mapping[str, Any]]
Tell = Callable[[ActionName], Mapping[str, Any]]


def nothing_more(_action: ActionName) -> Mapping[str, Any]:
    """The schemas say it all."""
    return {}


def differs(server: Server, definitions: Sequence[Mapping[str, Any]], *, whole: bool) -> bool:
    """Whether a server's list says anything new: then the catalog must hear of it before anything is shown.

    `whole`: as in `catalog/observe`.
    """
    return observe(server, definitions, whole=whole).server != server


def listed(server: Server, definitions: Sequence[Mapping[str, Any]]) -> Server:
    """The server with no tools but those in this list: what it has for this client."""
    names = {each.get("name") for each in definitions}
    return replace(server, tools={name: tool for name, tool in server.tools.items() if name in names})


def shown(
    server: Server, visible: Collection[ActionName], narrow: Narrow, tell: Tell = nothing_more
) -> list[dict[str, Any]]:
    """The definitions to show: approved, and named by a boundary of this agent for this purpose.

    Args:
        server: The server with its pinned tools.
        visible: The actions the agent may see.
        narrow: Narrows an action's input schema to what the boundaries let through.
        tell: What of the boundaries no schema says, for the tool's `_meta`.
    """
    return [
        _presented(tool, action, narrow, tell)
        for name, tool in server.tools.items()
        if tool.state is PinState.APPROVED and (action := tool_action(server.server, name)) in visible
    ]


def whole(server: Server) -> list[dict[str, Any]]:
    """Every approved definition: nothing is hidden or narrowed on a server that is only observed."""
    every = {tool_action(server.server, name) for name in server.tools}
    return shown(server, every, lambda _action, schema: schema)


def _presented(tool: Tool, action: ActionName, narrow: Narrow, tell: Tell) -> dict[str, Any]:
    definition = pinned(tool.definition)
    schema = definition.get("inputSchema")
    if isinstance(schema, dict):
        # An annotation that is not valid (or hides at an odd place) must not make a client send headers. That is
        # judged by the pinned schema: the one that calls are checked with.
        plain = schema if era.header_paths(schema) else _without_header_marks(schema)
        definition["inputSchema"] = narrow(action, plain)
    if more := tell(action):
        meta = definition.get("_meta")
        definition["_meta"] = {**(meta if isinstance(meta, dict) else {}), **more}
    return definition


def _without_header_marks(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(schema, dict):
        return {
            key: _without_header_marks(member)
            for key, member in schema.items()
            if not (key == _HEADER_KEY and isinstance(member, (str, int, bool, type(None))))
        }
    if isinstance(schema, list):
        return [_without_header_marks(member) for member in schema]
    return schema


def answer(tools: list[dict[str, Any]], *, modern: bool) -> dict[str, Any]:
    """The result of `tools/list`: one page, never to be kept or shared."""
    result: dict[str, Any] = {"tools": tools}
    if modern:
        result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    return result
