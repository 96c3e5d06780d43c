"""Whether whoever a token was issued to, and everybody it acts for, may still make calls with it.

The same as a call is asked (`policy/decide`, steps 3 and 4), for those who take a token to be good without a call:
an introspection, and an exchange for another token.
"""

from __future__ import annotations

from itertools import pairwise

from remit.access.model import PurposeState
from remit.agents.model import SenderConstraint
from remit.attestation.model import Caller, Link
from remit.kernel.clock import Instant
from remit.tokens.checks import check_standing
from remit.tokens.model import AgentStanding, OAuthError, TokenRefused
from remit.tokens.ports import Standing


def check_still(standing: Standing, caller: Caller, *, now: Instant) -> AgentStanding:
    """Where the caller stands, if a call with its token could be allowed at all.

    Raises:
        TokenRefused: The first that every call would be refused for, of it or of one for whom it acts.
    """
    chain: tuple[Link | Caller, ...] = (*caller.links, caller)
    # (1) What stops an agent stops everybody who acts for it.
    found = [_stands(standing, each, caller, now) for each in chain]
    # (2) Each may still act for the one before it, by what is registered.
    for (above, registered), (below, _) in pairwise(zip(chain, found, strict=True)):
        if below.agent not in registered.agent.delegates:
            raise _over(f"{below.agent} may not act for {above.agent} any more")
    # (3) The run and the binding of the token itself.
    if caller.run_ends <= now:
        raise _over("the run has ended")
    if not caller.bound and found[-1].agent.sender_constraint is not SenderConstraint.NONE:
        raise _over("the token is not bound to a key")
    return found[-1]


def _stands(standing: Standing, acts: Link | Caller, caller: Caller, now: Instant) -> AgentStanding:
    found = check_standing(standing.agent_standing(acts.agent, now), now=now)
    if acts.instance in found.frozen_instances:
        raise _over("the instance is frozen")
    if acts.credential in found.frozen_credentials:
        raise _over("the client key is frozen")
    if acts.credential not in found.credentials:
        raise _over("the client key is not registered any more")
    purpose = next((each for each in found.purposes if each.purpose == caller.purpose), None)
    if purpose is None or caller.purpose not in found.agent.purposes:
        raise _over("the purpose is not the agent's any more")
    if purpose.state is not PurposeState.ACTIVE or purpose.not_after <= now:
        raise _over("the purpose is not active")
    return found


def _over(why: str) -> TokenRefused:
    return TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, why)
