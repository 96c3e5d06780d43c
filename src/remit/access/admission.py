"""What must be true of a boundary's agent and purpose, and of a purpose that is changed. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from remit.access.draft import Draft
from remit.access.glob import covered
from remit.access.model import Purpose, PurposeState
from remit.agents.model import Agent, AgentState
from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict
from remit.people.document import Problem


def boundary_problems(draft: Draft, agent: Agent | None, purpose: Purpose | None) -> Iterator[Problem]:
    """A boundary is for a living agent and one of its purposes, and goes no further than that purpose."""
    if agent is None or agent.state is AgentState.RETIRED:
        yield Problem("agent", f"there is no agent {draft.agent}")
    elif draft.purpose not in agent.purposes:
        yield Problem("purpose", f"{draft.purpose} is no purpose of the agent {draft.agent}")
    if purpose is None or purpose.state is not PurposeState.ACTIVE:
        yield Problem("purpose", f"there is no active purpose {draft.purpose}")
        return
    for at, clause in enumerate(draft.allow):
        if not covered(purpose.actions, clause.pattern):
            yield Problem(f"allow.{at}.action", f"{clause.pattern} is not part of the purpose {purpose.purpose}")


def purpose_change(before: Purpose | None, after: Purpose) -> str:
    """What a purpose's document does: create, unchanged or narrow.

    Raises:
        Conflict: It widens: a purpose is what its holders' approvals were given for, so it is immutable
            except for narrowing.
    """
    if before is None:
        return "create"
    if before.state is PurposeState.CLOSED:
        raise _immutable(after, "it is closed for ever")
    if before == after:
        return "unchanged"
    for action in after.actions:
        if not covered(before.actions, action):
            raise _immutable(after, f"{action} is not part of it")
    if added := [each for each in after.data_classes if each not in before.data_classes]:
        raise _immutable(after, f"the data class {added[0]} is not part of it")
    if after.statement != before.statement:
        raise _immutable(after, "its statement is another")
    if after.not_after > before.not_after:
        raise _immutable(after, "it ends earlier than that")
    return "narrow"


def purpose_problems(before: Purpose | None, after: Purpose, *, now: Instant) -> list[Problem]:
    """A purpose that is new or changed has its end before it."""
    return [Problem("not_after", "the end has passed")] if after != before and after.not_after <= now else []


def _immutable(purpose: Purpose, why: str) -> Conflict:
    return Conflict(
        f"the purpose {purpose.purpose} cannot be changed so: {why}", try_="make a new purpose under another name"
    )
