"""Where an agent stands, for the token service: read from the same view that calls are decided on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from remit.access.model import Rule
from remit.agents.bindings.client_metadata import client_of
from remit.attestation.model import Caller
from remit.freezes.model import FreezeKind
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import StorageUnavailable
from remit.kernel.names import ActionName
from remit.policy.delegated import acting
from remit.policy.view import View
from remit.tokens.model import AgentStanding


class ViewStanding:
    """Implements remit.tokens.ports.Standing."""

    def __init__(self, view: Callable[[], View]) -> None:
        self._view = view
        self._known: tuple[View | None, dict[str, AgentStanding]] = (None, {})

    def agent_standing(self, agent: str, now: Instant) -> AgentStanding | None:
        """The standing of `agent` in any lifecycle state, or None if there is no such agent.

        Raises:
            StorageUnavailable: The database was not reached within the staleness bound.
        """
        view = self._view()
        # A stop may be missing from a view that is behind: no token is had by it, and none is said to be good.
        if not view.fresh(now):
            raise StorageUnavailable("the database was not reached for too long; nothing is said of any token")
        # A view never changes, and one token asks several times.
        of, known = self._known
        if of is not view:
            self._known = _, known = view, {}
        standing = known.get(agent)
        if standing is None and (standing := _standing(view, agent)) is not None:
            known[agent] = standing
        return standing


@dataclass(frozen=True, slots=True)
class ViewAccess:
    """Implements remit.tokens.ports.Access."""

    view: Callable[[], View]

    def rules(self, caller: Caller) -> Mapping[ActionName, Rule]:
        """The rules of the boundaries in force, for the caller's purpose; acting for another, what was handed on."""
        record = acting(self.view(), caller)
        if record is None:
            return {}
        grants = record.reach.grants.items()
        return {action: found[0].rule for (purpose, action), found in grants if purpose == caller.purpose}


def _standing(view: View, agent: str) -> AgentStanding | None:
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
        credentials=record.credentials,
        frozen_instances=_frozen(view, FreezeKind.INSTANCE),
        frozen_credentials=_frozen(view, FreezeKind.CREDENTIAL),
    )


def _frozen(view: View, of: FreezeKind) -> frozenset[str]:
    return frozenset(name for kind, name in view.freezes if kind == of.value)


@dataclass(frozen=True, slots=True)
class ViewPeople:
    """Who answers for agents, and which agents let a client in: from the same view."""

    view: Callable[[], View]
    clock: Clock

    def answering(self, agent: str) -> frozenset[str]:
        """The active people who answer for an agent: its owner and the backups. Empty for what does not exist."""
        view = self.view()
        record = view.agents.get(agent)
        owner = None if record is None else view.owners.get(record.agent.owner)
        if owner is None:
            return frozenset()
        found = (owner, *(view.owners.get(name) for name in owner.backup))
        return frozenset(each.owner for each in found if each is not None and each.active)

    def registered(self, client: str) -> list[AgentStanding]:
        """The agents that name a client as one which people may let act as them, by name.

        Raises:
            StorageUnavailable: As `agent_standing`.
        """
        standing, view = ViewStanding(self.view), self.view()
        named = sorted(
            name
            for name, record in view.agents.items()
            if any(client_of(binding) == client for binding in record.agent.bindings)
        )
        found = (standing.agent_standing(name, self.clock.now()) for name in named)
        return [each for each in found if each is not None]
