"""What a declared system is told of a withdrawal, signed, so that it can see for itself who says so."""

from __future__ import annotations

from dataclasses import dataclass

from remit.certification.withdrawal.withdraw import Target, Withdrawal
from remit.connectors.system import System
from remit.kernel.clock import Clock
from remit.kernel.names import new_id
from remit.keys.model import SetKeys
from remit.keys.security_event import ACCESS_WITHDRAWN, SecurityEvent, signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Signs withdrawals as security event tokens.

    Args:
        keys: What signs them.
        issuer: This deployment, as in access tokens: `ISSUER/ssf/jwks` has the keys.
        clock: Says when.
    """

    keys: SetKeys
    issuer: str
    clock: Clock

    def withdrawn(self, system: System, target: Target, withdrawal: Withdrawal) -> str | None:
        """That a right is to go, for this system alone; None until there is a key. Told again it is another token."""
        key = self.keys.active
        if key is None:
            return None
        event = SecurityEvent(
            issuer=self.issuer, audience=system.url, agent=withdrawal.agent, transaction=withdrawal.id,
            kind=ACCESS_WITHDRAWN, happened=withdrawal.begun,
            about={"purpose": target.purpose, "action": target.action},
        )  # fmt: skip
        return signed(event, key=key, jti=new_id("set"), now=self.clock.now())
