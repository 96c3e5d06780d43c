"""What a token is worth now, and its end before its time: RFC 7662 and RFC 7009."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from remit.agents.bindings.client_metadata import METHOD as CONSENTED
from remit.attestation.model import Attested, Caller
from remit.kernel.clock import SECOND, Clock
from remit.storage.model import ConsumeProof
from remit.storage.ports import Transaction, Writer
from remit.tokens import details
from remit.tokens.check import Presented, TokenChecker
from remit.tokens.checks import check_client_id
from remit.tokens.clients.client_metadata import NothingShown
from remit.tokens.form import one
from remit.tokens.issue import nested
from remit.tokens.model import Asked, Form, OAuthError, TokenRefused
from remit.tokens.ports import EnforcementPoints, Records, Standing
from remit.tokens.refresh_status import end_refresh, own_refresh, refresh_body
from remit.tokens.revoked import revoke, topic
from remit.tokens.service import TokenService
from remit.tokens.sql import SqlRuns
from remit.tokens.still import check_still

T = TypeVar("T")
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

    def introspect(
        self, form: Form, *, authorization: str | None, certificate: bytes | None = None, chain: tuple[bytes, ...] = ()
    ) -> dict[str, Any]:
        """What a token is worth now, to who may know it; else exactly `{"active": false}`.

        An enforcement point says by `resource` what it guards (without it: this deployment as a
        whole), and a token that is not for that is inactive. An agent asks of its own tokens.

        Raises:
            TokenRefused: invalid_client, or no token to look at.
            Unauthenticated: A bearer token that is no enforcement point's.
        """
        if authorization is not None and not _basic(authorization):
            self.points.point(authorization)
            audiences = form.get("resource", ()) or (self.tokens.issuer,)
            found = self._active(_token(form))
            fits = found is not None and not found.audience.isdisjoint(audiences)
        else:
            asked = Asked(form=form, url="", authorization=authorization, certificate=certificate, chain=chain)
            try:
                attested, refresh = self._as_agent(asked, self._refresh(form))
            except NothingShown:
                return dict(INACTIVE)
            if refresh is not None:
                return refresh
            found = self._active(_token(form))
            fits = found is not None and found.caller.agent == attested.agent
        return body(found, issuer=self.tokens.issuer) if found is not None and fits else dict(INACTIVE)

    def _refresh(self, form: Form) -> Callable[[Transaction, Attested], dict[str, Any] | None]:
        """What a refresh token is worth, whatever `token_type_hint` says; None if it is none, or another's."""

        def apply(tx: Transaction, attested: Attested) -> dict[str, Any] | None:
            if attested.method == CONSENTED and "client_assertion" not in form:
                # RFC 7662 section 2.1: who only holds a token does not learn what it is good for.
                raise TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason="a public client")
            try:
                found = own_refresh(tx, _token(form), attested)
            except TokenRefused:
                return dict(INACTIVE)
            if found is None:
                return None
            return refresh_body(tx, found, issuer=self.tokens.issuer, now=self.clock.now()) or dict(INACTIVE)

        return apply

    def revoke(
        self, form: Form, *, authorization: str | None, certificate: bytes | None = None, chain: tuple[bytes, ...] = ()
    ) -> None:
        """End a token of the agent that asks. A token that is not known, or is over, is no error (section 2.2).

        With a refresh token its whole family ends. When this returns, the revocation is durable and this node refuses
        what it ended.

        Raises:
            TokenRefused: invalid_client, no token to look at, or another agent's token (section 2.1).
        """

        def apply(tx: Transaction, attested: Attested) -> None:
            refresh = own_refresh(tx, _token(form), attested)
            if refresh is not None:
                end_refresh(tx, self.records, refresh, by=attested.client or attested.agent, now=self.clock.now())
                return
            found = self.checker.read(_token(form), now=self.clock.now())
            if found is None:
                return
            caller = found.caller
            if caller.agent != attested.agent or (attested.client and caller.credential != attested.credential):
                raise TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, "the token was issued to another client")
            if revoke(tx.connection, caller.token, agent=caller.agent, expires=caller.expires):
                fields = {"what": "token", "name": caller.token, "change": "revoke", "by": caller.agent}
                tx.record(self.records.entry("change", {**fields, "agent": caller.agent}))
                tx.touch(topic(caller.token))

        asked = Asked(form=form, url="", authorization=authorization, certificate=certificate, chain=chain)
        with suppress(NothingShown):
            self._as_agent(asked, apply)

    def _as_agent(self, asked: Asked, apply: Callable[[Transaction, Attested], T]) -> tuple[Attested, T]:
        """Commit `apply` with the single use of the agent's assertion; a refusal is recorded, and uses it too."""
        attested, used = None, None
        try:
            attested, used = sure = self.tokens.authenticate(
                asked.form, authorization=asked.authorization, certificate=asked.certificate, chain=asked.chain
            )
            check_client_id(asked.form, attested)
            _token(asked.form)

            def change(tx: Transaction) -> T:
                _consume(tx, sure[1])
                return apply(tx, sure[0])

            return sure[0], self.writer.change(change)
        except TokenRefused as refused:
            self.tokens.refuse(refused, attested=attested, used=used)
            raise

    def _active(self, token: str) -> Presented | None:
        """The token, if a call with it could be allowed by who it is for, those it acts for, and its purpose."""
        now = self.clock.now()
        found = self.checker.read(token, now=now)
        if found is None:
            return None
        try:
            check_still(self.standing, found.caller, now=now)
        except TokenRefused:
            return None
        return found


def body(found: Presented, *, issuer: str) -> dict[str, Any]:
    """The response for an active token (RFC 7662 section 2.2, RFC 9449 section 6.2, RFC 9396 section 9.2)."""
    caller, bound = found.caller, found.jkt is not None
    cnf = {name: value for name, value in (("jkt", found.jkt), ("x5t#S256", found.x5t)) if value is not None}
    audience = sorted(found.audience)
    return {
        "active": True,
        "iss": issuer,
        "sub": caller.principal,
        "client_id": caller.agent,
        **({"act": nested(_actors(caller), issuer=issuer)} if caller.links else {}),
        **({"txn": caller.txn} if caller.txn else {}),
        "aud": audience[0] if len(audience) == 1 else audience,
        "exp": caller.expires // SECOND,
        "iat": found.issued // SECOND,
        "jti": caller.token,
        "scope": f"purpose:{caller.purpose}",
        "token_type": "DPoP" if bound else "Bearer",
        **({"cnf": cnf} if cnf else {}),
        "authorization_details": [{"type": details.TYPE, "purpose": caller.purpose}],
        "purpose": caller.purpose,
        "run": caller.run,
        "instance": caller.instance,
    }


def _basic(authorization: str) -> bool:
    """RFC 6749 section 2.3.1: a client's own secret, where an enforcement point shows its token as Bearer."""
    return authorization.partition(" ")[0].lower() == "basic"


def _actors(caller: Caller) -> list[str]:
    return [*(link.agent for link in caller.links[1:]), caller.agent]


def _token(form: Form) -> str:
    token = one(form, "token")
    if token is None:
        raise TokenRefused(OAuthError.INVALID_REQUEST, "token is missing")
    return token


def _consume(tx: Transaction, used: ConsumeProof | None) -> None:
    if used is not None and not SqlRuns(tx.connection).consume(used):
        raise TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason="assertion replayed")
