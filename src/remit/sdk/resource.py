"""Who makes a request at a resource server, and whether Remit lets it: every step, before the application sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from remit.sdk import jws, strict_json
from remit.sdk.access_token import Identity, TokenInvalid, credentials, read
from remit.sdk.asking import Asking, PointToken, Question
from remit.sdk.decision import Decision
from remit.sdk.dpop import Nonces, Seen, check_proof
from remit.sdk.issuer import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one request shows of who makes it."""

    method: str
    url: str  # its target as the client sees it
    authorization: str | None
    dpop: str | None


@dataclass(slots=True, kw_only=True)
class Resource:
    """One server whose calls Remit decides. For one event loop.

    Args:
        server: The server's name in Remit.
        point: The token of the enforcement point that this is (`remit pep add NAME`).
        issuer: Remit's keys.
        nonces: Where proofs need one; None: nowhere.
        seen: The proofs that were used.
        clock: Seconds since the epoch.
    """

    server: str
    point: PointToken
    issuer: Issuer
    nonces: Nonces | None = None
    seen: Seen = field(default_factory=Seen)
    clock: Callable[[], float] = time.time
    asking: Asking = field(init=False)

    def __post_init__(self) -> None:
        self.asking = Asking(self.point, self.issuer.url)

    @property
    def audiences(self) -> frozenset[str]:
        """The names that a token for this server may carry: those of its doors at Remit."""
        base = self.issuer.url
        return frozenset(
            {f"{base}/mcp/{self.server}", f"{base}/servers/{self.server}/mcp", f"{base}/http/{self.server}"}
        )

    async def identity(self, shown: Shown) -> tuple[Identity, str]:
        """Who makes a request, by its token and the proof with it, which is used up; and the token.

        Raises:
            TokenInvalid: 401.
            IssuerUnavailable, MemoryFull: 503: nothing can be verified, or no use of a proof remembered.
        """
        # (1) Credentials in the one form that Remit issues.
        scheme, token = credentials(shown.authorization)
        # (2) A token of this Remit, alive, for this server.
        key, now = await self.issuer.keys(_kid(token, scheme)), int(self.clock())
        found = read(token, scheme=scheme, issuer=self.issuer.url, audiences=self.audiences, key=key, now=now)
        # (3) The proof, made now, for this request and this token, by its key, and never seen here.
        if found.jkt is not None:
            fresh = None if self.nonces is None else self._fresh
            proof, until = check_proof(
                shown.dpop, method=shown.method, url=shown.url, now=now, token=token, jkt=found.jkt, fresh=fresh
            )
            self.seen.use(proof, until, now=now)
        return found, token

    async def answer(
        self, identity: Identity, token: str, action: str, arguments: Mapping[str, Any]
    ) -> tuple[Identity, Decision]:
        """Remit's recorded answer to one call, and the identity that names it.

        What only Remit knows of the token is part of it: that it was revoked, its run has ended, its copy is frozen.

        Raises:
            TokenInvalid: 401: Remit does not take the token any more (RFC 6750 section 3.1); that is recorded there.
        """
        context = {"purpose": identity.purpose, "arguments": dict(arguments), "access_token": token}
        asked = Question(("agent", identity.agent), action, ("server", self.server), context)
        decision = await self.asking.ask(asked)
        if decision.bad_token:
            scheme = "Bearer" if identity.jkt is None else "DPoP"
            raise TokenInvalid("invalid_token", "the token was revoked, or has expired", scheme)
        return replace(identity, decision_id=decision.decision_id), decision

    def _fresh(self, presented: object) -> bool:
        return self.nonces is not None and self.nonces.fresh(presented, now=int(self.clock()))


def _kid(token: str, scheme: str) -> str:
    """The id of the key that a token names; that is verified by `read`."""
    try:
        kid = strict_json.an_object(jws.octets(token.partition(".")[0])).get("kid")
    except ValueError as error:
        raise TokenInvalid("invalid_token", "the token is not valid", scheme) from error
    return kid if isinstance(kid, str) else ""
