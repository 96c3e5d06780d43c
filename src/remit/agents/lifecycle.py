"""The lifecycle of an agent: proposed, active, suspended, retired (for ever). Pure."""

from __future__ import annotations

from remit.agents.model import AgentState
from remit.kernel.errors import Conflict

_MOVES = {
    AgentState.PROPOSED: {AgentState.ACTIVE, AgentState.RETIRED},
    AgentState.ACTIVE: {AgentState.SUSPENDED, AgentState.RETIRED},
    AgentState.SUSPENDED: {AgentState.ACTIVE, AgentState.RETIRED},
    AgentState.RETIRED: set(),
}


def move(agent: str, before: AgentState, after: AgentState) -> None:
    """Check that an agent may go from `before` to `after`; staying where it is is no move.

    Raises:
        Conflict: It may not: nothing brings a retired agent back, under its name or its keys.
    """
    if after is before or after in _MOVES[before]:
        return
    if before is AgentState.RETIRED:
        raise Conflict(f"the agent {agent} is retired for ever", try_="register it under a new name")
    raise Conflict(f"the agent {agent} is {before}: it cannot become {after}")
