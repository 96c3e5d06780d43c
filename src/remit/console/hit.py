"""Which agents a freeze would stop, wholly or in part. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from remit.kernel.names import ActionName
from remit.policy.view import AgentRecord, View

KINDS: Final[Mapping[str, str]] = {
    "agent": "an agent",
    "owner": "all agents of an owner",
    "tool": "a tool",
    "server": "a server",
    "credential": "a credential",
    "instance": "an instance",
    "all": "everything",
}


def hits(view: View, kind: str, name: str) -> list[AgentRecord]:
    """The agents that could ask for something and could not any more; by name.

    Of an instance or a client key nobody but itself knows whose it is: none.
    """
    test = _test(view, kind, name)
    return [] if test is None else [each for _, each in sorted(view.agents.items()) if test(each)]


def running(calls: Sequence[Mapping[str, Any]], view: View, kind: str, name: str) -> int:
    """How many of the calls that run (`running_calls` of /v1/now) a freeze would cut."""
    covered = _covered(view, kind, name)
    owned = {agent for agent, each in view.agents.items() if each.agent.owner == name} if kind == "owner" else {name}
    return sum(
        each["calls"]
        for each in calls
        if kind == "all" or (kind in {"agent", "owner"} and each["agent"] in owned) or covered(each["action"])
    )


def _test(view: View, kind: str, name: str) -> Callable[[AgentRecord], bool] | None:
    match kind:
        case "all":
            return lambda _: True
        case "agent":
            return lambda each: each.agent.agent == name
        case "owner":
            return lambda each: each.agent.owner == name
        case "server" | "tool" | "credential":
            covered = _covered(view, kind, name)
            return lambda each: any(covered(action) for boundary in each.boundaries for action in boundary.rules)
        case _:
            return None


def _covered(view: View, kind: str, name: str) -> Callable[[ActionName | str], bool]:
    """Whether a call of an action would be stopped, whoever asks."""
    if kind == "tool":
        return lambda action: action == name
    servers = [name] if kind == "server" else []
    if kind == "credential":
        servers = [
            server
            for server, each in view.servers.items()
            if each.server.credential is not None and each.server.credential.secret == name
        ]
    begins = tuple(server + mark for server in servers for mark in "/:")
    return lambda action: bool(begins) and action.startswith(begins)
