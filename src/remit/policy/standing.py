"""Step 4 of a decision: whether agent, owner, credential, run and purpose stand, of everybody in a chain (pure)."""

from __future__ import annotations

from remit.access.model import PurposeState
from remit.agents.model import AgentState, SenderConstraint
from remit.attestation.model import Link
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName
from remit.policy import denial as refuse
from remit.policy.model import Call, Denial
from remit.policy.view import AgentRecord, PurposeRecord, View


def standing_denial(  # noqa: PLR0911 - a list of checks
    call: Call, view: View, agent: AgentRecord, purpose: PurposeRecord | None, now: Instant
) -> Denial | None:
    """(4) The denial of a call whose agent, owner, credential, run or purpose does not stand; None if all do."""
    registered = agent.agent
    if registered.state is not AgentState.ACTIVE:
        return refuse.agent_suspended(f"agent {registered.state}")
    if now >= registered.not_after:
        return refuse.agent_suspended("agent ended")
    owner = view.owners.get(registered.owner)
    if owner is None or not owner.active:
        return refuse.agent_suspended("owner not active")
    if (cause := _withdrawn(call, agent, now)) is not None:
        return refuse.withdrawn(call, cause=cause)
    if call.caller.purpose not in registered.purposes:
        return refuse.purpose_mismatch(call)
    if purpose is None or purpose.purpose.state is not PurposeState.ACTIVE or now >= purpose.purpose.not_after:
        return refuse.purpose_closed(call.caller.purpose)
    reach = agent.reach
    named_by_it = call.tool is not None or (call.entitled and call.action in reach.actions)
    if named_by_it and not purpose.covers(call.action):
        named = {name for name, action in (*reach.grants, *reach.emergency) if action == call.action}
        elsewhere = sorted(name for name in named if (p := view.purposes.get(name)) and p.covers(call.action))
        return refuse.purpose_mismatch(call, elsewhere=elsewhere)
    if not call.caller.links:
        return None
    below = [*(link.agent for link in call.caller.links[1:]), call.caller.agent]
    chain = zip(call.caller.links, below, strict=True)
    return next((stop for link, acts in chain if (stop := _behind(call, view, link, acts, now)) is not None), None)


def _behind(call: Call, view: View, link: Link, acts: AgentName, now: Instant) -> Denial | None:
    """What stops an agent stops everybody who acts for it."""
    record = view.agents.get(link.agent)
    if record is None or record.agent.state is not AgentState.ACTIVE or now >= record.agent.not_after:
        return refuse.agent_suspended(f"it acts for {link.agent}, which is not active")
    owner = view.owners.get(record.agent.owner)
    if owner is None or not owner.active:
        return refuse.agent_suspended(f"it acts for {link.agent}, whose owner is not active")
    if link.credential not in record.credentials:
        return refuse.withdrawn(call, cause="credential not registered")
    if acts not in record.agent.delegates:  # its token said so; what is registered does not any more
        return refuse.withdrawn(call, cause=f"{acts} may not act for {link.agent}")
    if call.caller.purpose not in record.agent.purposes:
        return refuse.purpose_mismatch(call)
    return None


def _withdrawn(call: Call, agent: AgentRecord, now: Instant) -> str | None:
    """Why what the caller showed for its token does not hold any more; None if it does.

    A token lives for minutes: a key that was taken away, or a run that is over, must not work on for as long.
    """
    caller = call.caller
    # An operator's question has no token behind it; an enforcement point may ask with a credential of its own alone.
    if call.hypothetical or (caller.pep and not caller.token):
        return None
    if caller.credential not in agent.credentials:
        return "credential not registered"
    if not caller.bound and agent.agent.sender_constraint is not SenderConstraint.NONE:
        return "token not bound to a key"
    if now >= caller.run_ends:
        return "run ended"
    return None
