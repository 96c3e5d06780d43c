"""What a token is worth now, and its end before its time: RFC 7662 and RFC 7009."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from remit.access.model import PurposeState
from remit.agents.credentials import credentials
from remit.attestation.model import Attested
from remit.kernel.clock import SECOND, Clock
from remit.storage.model import ConsumeProof
from remit.storage.ports import Transaction, Writer
from remit.tokens import details
from remit.tokens.check import Presented, TokenChecker
from remit.tokens.checks import check_standing
from remit.tokens.form import one
from remit.tokens.model import Form, OAuthError, TokenRefused
from remit.tokens.ports import EnforcementPoints, Records, Standing
from remit.tokens.revoked import revoke, topic
from remit.tokens.service import TokenService
from remit.tokens.sql import SqlRuns

INACTIVE: Final[dict[str, Any]] = {"active": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatus:
    """Introspection for enforcement points and for the agent itself; revocation for the agent. Synchronous."""

    tokens: TokenService
    checker: TokenChecker
    points: EnforcementPoints
    standing: Standing
    writer: Writer
    records: Records
    clock: Clock

    def introspect(self, form: Form, *, authorization: str | None) -> dict[str, Any]:
        """What a token is worth now, to who may know it; else exactly `{"active": false}`.

        An enforcement point says by `resource` what it guards (without it: this deployment as a
        whole), and a token that is not for that is inactive. An agent asks of its own tokens.

        Raises:
            TokenRefused: invalid_client, or no token to look at.
            Unauthenticated: A bearer token that is no enforcement point's.
        """
        if authorization is not None:
            self.points.point(authorization)
            audiences = form.get("resource", ()) or (self.tokens.issuer,)
            found = self._active(_token(form))
            fits = found is not None and not found.audience.isdisjoint(audiences)
        else:
            attested = self._as_agent(form, authorization, lambda _tx, _attested: None)
            found = self._active(_token(form))
            fits = found is not None and found.caller.agent == attested.agent
        return body(found, issuer=self.tokens.issuer) if found is not None and fits else dict(INACTIVE)

    def revoke(self, form: Form, *, authorization: str | None) -> None:
        """End a token of the agent that asks. A token that is not known, or is over, is no error (section 2.2).

        When this returns, the revocation is durable and this node refuses the token.

        Raises:
            TokenRefused: invalid_client, no token to look at, or another agent's token (section 2.1).
        """

        def apply(tx: Transaction, attested: Attested) -> None:
            found = self.checker.read(_token(form), now=self.clock.now())
            if found is None:
                return
            caller = found.caller
            if caller.agent != attested.agent:
                raise TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, "the token was issued to another client")
            if revoke(tx.connection, caller.token, agent=caller.agent, expires=caller.expires):
                fields = {"what": "token", "name": caller.token, "change": "revoke", "by": caller.agent}
                tx.record(self.records.entry("change", {**fields, "agent": caller.agent}))
                tx.touch(topic(caller.token))

        self._as_agent(form, authorization, apply)

    def _as_agent(
        self, form: Form, authorization: str | None, apply: Callable[[Transaction, Attested], None]
    ) -> Attested:
        """Commit `apply` with the single use of the agent's assertion; a refusal is recorded, and uses it too."""
        attested, used = None, None
        try:
            attested, used = sure = self.tokens.authenticate(form, authorization=authorization)
            _token(form)

            def change(tx: Transaction) -> None:
                _consume(tx, sure[1])
                apply(tx, sure[0])

            self.writer.change(change)
        except TokenRefused as refused:
            self.tokens.refuse(refused, attested=attested, used=used)
            raise
        return sure[0]

    def _active(self, token: str) -> Presented | None:
        """The token, if a call with it could be allowed by who it is for and what it was issued for."""
        now = self.clock.now()
        found = self.checker.read(token, now=now)
        if found is None:
            return None
        caller = found.caller
        try:
            standing = check_standing(self.standing.agent_standing(caller.agent, now), now=now)
        except TokenRefused:
            return None
        stopped = caller.instance in standing.frozen_instances or caller.credential in standing.frozen_credentials
        withdrawn = caller.credential not in credentials(standing.agent) or caller.run_ends <= now
        live = any(
            each.purpose == caller.purpose and each.state is PurposeState.ACTIVE and now < each.not_after
            for each in standing.purposes
        )
        return found if live and not stopped and not withdrawn else None


def body(found: Presented, *, issuer: str) -> dict[str, Any]:
    """The response for an active token (RFC 7662 section 2.2, RFC 9449 section 6.2, RFC 9396 section 9.2)."""
    caller, bound = found.caller, found.jkt is not None
    audience = sorted(found.audience)
    return {
        "active": True,
        "iss": issuer,
        "sub": caller.agent,
        "client_id": caller.agent,
        "aud": audience[0] if len(audience) == 1 else audience,
        "exp": caller.expires // SECOND,
        "iat": caller.attested // SECOND,
        "jti": caller.token,
        "scope": f"purpose:{caller.purpose}",
        "token_type": "DPoP" if bound else "Bearer",
        **({"cnf": {"jkt": found.jkt}} if bound else {}),
        "authorization_details": [{"type": details.TYPE, "purpose": caller.purpose}],
        "purpose": caller.purpose,
        "run": caller.run,
        "instance": caller.instance,
    }


def _token(form: Form) -> str:
    token = one(form, "token")
    if token is None:
        raise TokenRefused(OAuthError.INVALID_REQUEST, "token is missing")
    return token


def _consume(tx: Transaction, used: ConsumeProof | None) -> None:
    if used is not None and not SqlRuns(tx.connection).consume(used):
        raise TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason="assertion replayed")
