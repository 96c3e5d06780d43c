"""What must be true before an agent may be registered or resumed. Pure."""

from __future__ import annotations

from collections.abc import Callable

from remit.agents.model import Agent
from remit.kernel.clock import Instant
from remit.kernel.names import PurposeName
from remit.people.document import Problem
from remit.people.model import Owner


def owner_problems(agent: Agent, owner: Owner | None) -> list[Problem]:
    """No agent without an active owner: somebody must answer for it."""
    if owner is None:
        return [Problem("owner", f"there is no owner {agent.owner}")]
    if not owner.active:
        return [Problem("owner", f"the owner {agent.owner} is not active")]
    return []


def end_problems(agent: Agent, *, now: Instant) -> list[Problem]:
    """No agent without an end, and none whose end has passed."""
    return [] if agent.not_after > now else [Problem("not_after", "the end has passed")]


def purpose_problems(agent: Agent, is_open: Callable[[PurposeName], bool]) -> list[Problem]:
    """An agent works for purposes that exist and are active."""
    return [
        Problem(f"purposes.{at}", f"there is no active purpose {purpose}")
        for at, purpose in enumerate(agent.purposes)
        if not is_open(purpose)
    ]
