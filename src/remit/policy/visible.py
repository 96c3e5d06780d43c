"""What of a catalog an agent sees: what its boundaries name, under its purpose (pure)."""

from __future__ import annotations

from remit.attestation.model import Caller
from remit.catalog.methods import ASKED_OF_AGENTS, METHODS
from remit.kernel.clock import Instant
from remit.kernel.names import ActionName, PurposeName, ServerName
from remit.policy.delegated import acting
from remit.policy.view import AgentRecord, Grant, View, usable_grants


def live(view: View, caller: Caller, action: ActionName, *, now: Instant) -> list[Grant]:
    """The rules of the caller's boundaries in force for an action, with their boundaries."""
    record = acting(view, caller)
    granted = () if record is None else usable_grants(view, record, (caller.purpose, action), now=now)
    return [grant for grant in granted if now < grant.boundary.not_after]


def seen(view: View, record: AgentRecord | None, purpose: str | None = None) -> frozenset[ActionName]:
    """The actions that an agent may see: named by one of its boundaries, and with a purpose, of that purpose."""
    if record is None:
        return frozenset()
    if purpose is None:
        return record.reach.actions
    registered = view.purposes.get(PurposeName(purpose))
    if registered is None:
        return frozenset()
    named = (*record.reach.grants, *record.reach.emergency)
    return frozenset(action for name, action in named if name == purpose and registered.covers(action))


def shown(view: View, caller: Caller, *, now: Instant) -> frozenset[ActionName]:
    """The actions that the caller may see listed under its purpose: none that is for emergencies and not open."""
    record = acting(view, caller)
    return frozenset(
        action
        for action in seen(view, record, caller.purpose)
        if record is not None and usable_grants(view, record, (caller.purpose, action), now=now)
    )


def granted(view: View, caller: Caller, server: ServerName, *, now: Instant) -> frozenset[str]:
    """The methods of a server that the caller's boundaries grant under its purpose.

    Where the server is only observed, all but what it asks of the agent: that takes data out.
    """
    known, start = view.server(server), f"{server}:"
    named = {action.removeprefix(start) for action in shown(view, caller, now=now) if action.startswith(start)}
    return frozenset(named | (METHODS.keys() - ASKED_OF_AGENTS if known is not None and known.observed else set()))
