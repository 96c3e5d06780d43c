"""The methods of MCP that a boundary grants, beside tools, and what of them an agent sees (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from remit.access.model import Rule
from remit.catalog.methods import ELICITATION, METHODS, NAMED
from remit.kernel.names import ToolName, split_action
from remit.policy.arguments import told
from remit.policy.constraints import holds
from remit.policy.model import Call, Violation
from remit.policy.schema import PASSING
from remit.policy.view import AgentRecord, Grant, ServerRecord, ToolRecord

_RECORDS: Final = {name: ToolRecord(tool) for name, tool in METHODS.items()}
_HOST: Final = "url_host"


def target(server: ServerRecord | None, action: str) -> ToolRecord | None:
    """What an action on `server` calls: one of its tools, or a method; None if there is no such thing."""
    if server is None:
        return None
    _, name, is_tool = split_action(action)
    return server.tools.get(ToolName(name)) if is_tool else _RECORDS.get(name)


def bounded(name: str, *, is_tool: bool) -> bool:
    """Whether a question about a tool or method of this name comes with arguments: what passes anyway has none."""
    return is_tool or (name in METHODS and name not in PASSING)


def addressed(agent: AgentRecord, call: Call) -> bool:
    """Whether the prompt or resource that a method is about is one that the agent sees.

    That is: named by a boundary, of whichever of its purposes. Where no boundary grants the method at all, that is
    what the agent is told, whatever it asked about.
    """
    argument = NAMED.get(call.action.partition(":")[2])
    if argument is None or call.arguments is None:
        return True
    grants = list(_grants(agent, call))
    return not grants or any(_names(grant.rule, argument, call.arguments.get(argument)) for grant in grants)


def names(rule: Rule, argument: str, value: object) -> bool:
    """Whether a rule's bounds on one argument, all of them, let this value through."""
    return _names(rule, argument, value)


def unlisted_host(rule: Rule, call: Call) -> tuple[Violation, ...]:
    """A server that sends the agent's user to a URL needs a boundary that lists the hosts it may be at.

    Else a server could send people to wherever it likes, in the agent's name.
    """
    arguments = call.arguments or {}
    asks = call.action.partition(":")[2] == ELICITATION and arguments.get("mode") == "url"
    if not asks or any(bound.argument == _HOST and bound.in_ is not None for bound in rule.when):
        return ()
    return (Violation(path=f"/{_HOST}", constraint="in", limit=(), actual=told(arguments.get(_HOST))),)


def _grants(agent: AgentRecord, call: Call) -> Iterator[Grant]:
    for purpose in agent.agent.purposes:
        key = (purpose, call.action)
        yield from agent.reach.grants.get(key, ())
        yield from agent.reach.emergency.get(key, ())


def _names(rule: Rule, argument: str, value: object) -> bool:
    return all(holds(bound, value) for bound in rule.when if bound.argument == argument)
