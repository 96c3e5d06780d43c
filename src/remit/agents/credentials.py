"""Which credentials an agent may have shown when it got its token (pure)."""

from __future__ import annotations

from contextlib import suppress

from remit.agents.model import Agent
from remit.keys.jwk import JoseInvalid, thumbprint


def credentials(agent: Agent) -> frozenset[str]:
    """The agent's registered credentials, as a token names them: thumbprints, `uid:N` of local users, and bindings.

    A stored key that is none names nothing: no token can have been had with it.
    """
    found = {f"uid:{uid}" for uid in agent.uids} | {each.credential for each in agent.bindings}
    for key in agent.keys:
        with suppress(JoseInvalid):
            found.add(thumbprint(key))
    return frozenset(found)
