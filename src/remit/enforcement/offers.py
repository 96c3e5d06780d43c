"""What of a server's capabilities an agent is offered, and what of an agent's a server is told of (pure).

What no boundary grants is not offered: a client that is refused what it was offered takes the server for broken (the
MCP Inspector ends at a refused logging/setLevel). And a server that may ask an agent nothing is told that the agent
can be asked nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from remit.catalog.methods import ELICITATION, ROOTS, SAMPLING
from remit.enforcement.tasks import EXTENSION
from remit.kernel import canonical

_LISTEN: Final = "subscriptions/listen"
_TASKS: Final = frozenset({"tasks/get", "tasks/list", "tasks/result", "tasks/cancel"})
# By capability of a client's: what grants it, and its members, each an object of its own or a yes.
_CLIENTS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "sampling": (SAMPLING, frozenset({"context", "tools"})),
    "elicitation": (ELICITATION, frozenset({"form", "url"})),
    "roots": (ROOTS, frozenset({"listChanged"})),
}


def offered(raw: bytes, granted: Collection[str], *, modern: bool) -> bytes:
    """A greeting (`initialize`, `server/discover`) with the capabilities that this agent can use.

    Resources are always among them: Remit's own, the mandate, is there whatever the server has.

    Raises:
        Malformed: It is not strict JSON.
    """
    value = canonical.parse(raw)
    given = value.get("capabilities")
    told = given if isinstance(given, dict) else {}
    changes = not modern or _LISTEN in granted  # modern: changes are told over subscriptions/listen alone
    capabilities: dict[str, Any] = {"resources": _resources(told.get("resources"), granted, changes=changes)}
    if told.get("tools") is not None:
        capabilities["tools"] = _changing(told["tools"], told=changes)
    if told.get("prompts") is not None and not {"prompts/list", "prompts/get"}.isdisjoint(granted):
        capabilities["prompts"] = _changing(told["prompts"], told=changes and "prompts/list" in granted)
    for name, method in (("completions", "completion/complete"), ("logging", "logging/setLevel")):
        if told.get(name) is not None and method in granted:
            capabilities[name] = told[name]
    if not modern and told.get("tasks") is not None and not _TASKS.isdisjoint(granted):
        capabilities["tasks"] = told["tasks"]
    extensions = told.get("extensions")
    if modern and isinstance(extensions, dict) and EXTENSION in extensions and "tasks/get" in granted:
        capabilities["extensions"] = {EXTENSION: extensions[EXTENSION]}
    return canonical.encode({**value, "capabilities": capabilities})


def _changing(capability: Any, *, told: bool) -> Any:  # noqa: ANN401 - what a server says, of any type
    if not isinstance(capability, dict):
        return capability
    return {name: value for name, value in capability.items() if told or name != "listChanged"}


def _resources(capability: object, granted: Collection[str], *, changes: bool) -> dict[str, Any]:
    given = capability if isinstance(capability, dict) else {}
    found = _changing(given, told=changes and "resources/list" in granted)
    watched = not {"resources/subscribe", _LISTEN}.isdisjoint(granted)
    return {name: value for name, value in found.items() if watched or name != "subscribe"}


def declared(given: object, granted: Collection[str], *, modern: bool) -> dict[str, Any]:
    """The capabilities of a client as its server is told them: those that are granted, and nothing beside them."""
    client = given if isinstance(given, dict) else {}
    out: dict[str, Any] = {}
    for name, (method, members) in _CLIENTS.items():
        if method in granted and isinstance(client.get(name), dict):
            out[name] = {each: value for each, value in client[name].items() if each in members and _plain(value)}
    extensions = client.get("extensions")
    if modern and "tasks/get" in granted and isinstance(extensions, dict) and EXTENSION in extensions:
        out["extensions"] = {EXTENSION: {}}
    return out


def _plain(value: object) -> bool:
    return isinstance(value, bool) or value == {}
