"""Where an agent stands, for the token service: read from the same view that calls are decided on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from remit.freezes.model import FreezeKind
from remit.kernel.clock import Instant
from remit.policy.view import View
from remit.tokens.model import AgentStanding


@dataclass(frozen=True, slots=True)
class ViewStanding:
    """Implements remit.tokens.ports.Standing."""

    view: Callable[[], View]

    def agent_standing(self, agent: str, now: Instant) -> AgentStanding | None:  # noqa: ARG002 - the port's shape
        """The standing of `agent` in any lifecycle state, or None if there is no such agent."""
        view = self.view()
        record = view.agents.get(agent)
        if record is None:
            return None
        found = record.agent
        owner = view.owners.get(found.owner)
        purposes = (view.purposes.get(name) for name in found.purposes)
        covering = ((FreezeKind.ALL.value, "*"), (FreezeKind.AGENT.value, agent), (FreezeKind.OWNER.value, found.owner))
        return AgentStanding(
            agent=found,
            owner_active=owner is not None and owner.active,
            purposes=tuple(each.purpose for each in purposes if each is not None),
            frozen=any(target in view.freezes for target in covering),
            frozen_instances=_frozen(view, FreezeKind.INSTANCE),
            frozen_credentials=_frozen(view, FreezeKind.CREDENTIAL),
        )


def _frozen(view: View, of: FreezeKind) -> frozenset[str]:
    return frozenset(name for kind, name in view.freezes if kind == of.value)
