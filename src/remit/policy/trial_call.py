"""A call that nobody made: what an agent's call would be, for a decision whose effects are dropped (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.attestation.model import Caller
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed, NotFound
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ToolName,
    split_action,
)
from remit.policy.methods import bounded
from remit.policy.model import Call
from remit.policy.view import View


def trial_call(
    view: View,
    agent: str,
    purpose: str | None,
    action: str,
    arguments: Mapping[str, Any] | None,
    *,
    caller: Caller | None,
    now: Instant,
) -> Call:
    """The call that is asked about.

    Args:
        view: The facts.
        agent: Whose call.
        purpose: For what; may be left out if the agent has one.
        action: `server/tool` or `server:method`.
        arguments: Numbers as int or Decimal.
        caller: The agent's own, where it asks for itself; else an operator asks.
        now: When.

    Raises:
        Malformed: No well-formed action, or no purpose where there are several.
        NotFound: No such agent.
    """
    record = view.agents.get(agent)
    if record is None:
        raise NotFound("no such agent", detail=agent)
    purposes = record.agent.purposes
    if purpose is None and caller is None and len(purposes) != 1:
        raise Malformed("name a purpose: the agent has " + (", ".join(purposes) or "none"))
    server, name, is_tool = split_action(action)
    return Call(
        id=DecisionId(""),
        caller=caller
        or Caller(
            agent=AgentName(agent),
            instance=InstanceId(""),
            credential="",
            purpose=PurposeName(purpose or purposes[0]),
            run=RunId(""),
            token="",
            expires=Instant(0),
            bound=False,
            attested=now,
        ),
        server=server,
        action=ActionName(action),
        tool=ToolName(name) if is_tool else None,
        arguments=(arguments or {}) if bounded(name, is_tool=is_tool) else None,
        hypothetical=caller is None,
    )
