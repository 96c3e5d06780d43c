"""The token service: one request, a list of named checks, one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.attestation.assertion import AssertionRefused
from remit.attestation.model import Attested
from remit.attestation.service import PrivateKeyJwt
from remit.kernel.clock import Clock, Instant, rfc3339
from remit.kernel.names import RunId, new_id
from remit.keys import jose
from remit.keys.model import TokenKeys
from remit.storage.model import ConsumeProof
from remit.storage.ports import Transaction, Writer
from remit.tokens import checks, issue
from remit.tokens.check import TYPE
from remit.tokens.details import details
from remit.tokens.dpop import Proof, ProofInvalid, check_proof
from remit.tokens.form import Form, one
from remit.tokens.metadata import server_metadata
from remit.tokens.model import Granted, OAuthError, TokenRefused, Wish
from remit.tokens.ports import Records, Standing
from remit.tokens.refusals import Refusals
from remit.tokens.sql import SqlRuns


@dataclass(frozen=True, slots=True)
class _Registered:
    """The keys that agents registered, as attestation asks for them."""

    standing: Standing
    clock: Clock

    def client_keys(self, client: str) -> Sequence[Mapping[str, Any]]:
        found = self.standing.agent_standing(client, self.clock.now())
        return () if found is None else found.agent.keys


@dataclass(slots=True)
class _Seen:
    """How far a request got, for the record of its refusal."""

    attested: Attested | None = None
    used: ConsumeProof | None = None


class TokenService:
    """Issues access tokens to agents. Synchronous: it waits for the disk, so call it from a thread."""

    def __init__(
        self, *, issuer: str, keys: TokenKeys, standing: Standing, writer: Writer, records: Records, clock: Clock
    ) -> None:
        self.issuer = issuer
        self._keys = keys
        self._standing = standing
        self._writer = writer
        self._records = records
        self._clock = clock
        self._clients = PrivateKeyJwt(_Registered(standing, clock), issuer=issuer)
        self._refusals = Refusals(writer, records)

    def token(self, form: Form, *, dpop: str | None, url: str, authorization: str | None = None) -> dict[str, Any]:
        """Answer one token request: the body of the 200.

        When this returns, the run, the instance, the single use of assertion and proof, and the
        `token` entry are durable together.

        Args:
            form: The request's parameters.
            dpop: The `DPoP` header; several joined are refused as one that is malformed.
            url: The token endpoint's own URL, for the proof's `htu`.
            authorization: An `Authorization` header, which no client of ours sends.

        Raises:
            TokenRefused: Recorded as a `refused` entry, within a budget.
            StorageUnavailable: Nothing was issued.
        """
        now, seen = self._clock.now(), _Seen()
        try:
            granted = self._grant(form, dpop=dpop, url=url, authorization=authorization, now=now, seen=seen)
        except TokenRefused as refused:
            self._refusals.record(refused, attested=seen.attested, used=seen.used, now=now)
            raise
        signed = jose.sign(issue.claims(granted, issuer=self.issuer), typ=TYPE, key=self._keys.active)
        echo = details(one(form, "authorization_details")).echo
        return issue.answer(granted, signed, echo=echo, now=now)

    def refuse(self, refused: TokenRefused) -> None:
        """Record a refusal that was decided before there was a form to look at."""
        self._refusals.record(refused, attested=None, used=None, now=self._clock.now())

    def jwks(self) -> dict[str, Any]:
        """The public keys of access tokens (RFC 7517 section 5)."""
        return self._keys.jwks()

    def metadata(self) -> dict[str, Any]:
        """The authorization server's metadata (RFC 8414)."""
        return server_metadata(self.issuer)

    def _grant(
        self, form: Form, *, dpop: str | None, url: str, authorization: str | None, now: Instant, seen: _Seen
    ) -> Granted:
        # (1) A request we can answer at all.
        checks.check_grant_type(form)
        # (2) Who asks.
        assertion = checks.client_assertion(form, authorization=authorization)
        attested, used = self._authenticate(assertion, now)
        seen.attested, seen.used = attested, used
        checks.check_client_id(form, attested)
        # (3) The key the token is to be bound to.
        proof = _proof(dpop, url=url, now=now)
        jkt = None if proof is None else proof.jkt

        def apply(transaction: Transaction) -> Granted:
            # (5) Asked again where changes of state are applied, so that none can come between.
            wish = self._wish(form, attested, jkt, now)
            stored = SqlRuns(transaction.connection)
            # (6) Assertion and proof are used once (RFC 7523 section 3 item 7, RFC 9449 section 11.1).
            if not stored.consume(used):
                raise TokenRefused(
                    OAuthError.INVALID_CLIENT, "client authentication failed", reason="assertion replayed"
                )
            if proof is not None and not stored.consume(proof.use):
                raise TokenRefused(OAuthError.INVALID_DPOP_PROOF, "the proof was used before")
            # (7) Instances, then the run and the end of the token.
            runs = stored.open_runs(wish.agent.agent, now)
            issue.check_instances(wish, runs, now=now)
            granted = issue.grant(wish, runs, now=now, token=new_id("tok"), fresh=RunId(new_id("run")))
            stored.save(granted, now=now)
            # The entry goes by the token's own id, so that a token seen anywhere leads to it.
            transaction.record(self._records.entry("token", _fields(granted), id=granted.token))
            return granted

        # (4) Standing, sender constraint, purpose, audience: most refusals need no transaction.
        self._wish(form, attested, jkt, now)
        return self._writer.change(apply)

    def _authenticate(self, assertion: str, now: Instant) -> tuple[Attested, ConsumeProof]:
        try:
            return self._clients.authenticate(assertion, now=now)
        except AssertionRefused as error:
            raise TokenRefused(OAuthError.INVALID_CLIENT, error.public, reason=error.reason) from error

    def _wish(self, form: Form, attested: Attested, jkt: str | None, now: Instant) -> Wish:
        standing = self._standing.agent_standing(attested.agent, now)
        return checks.wish(form, attested=attested, jkt=jkt, standing=standing, base=self.issuer, now=now)


def _proof(dpop: str | None, *, url: str, now: Instant) -> Proof | None:
    if dpop is None:
        return None
    try:
        return check_proof(dpop, method="POST", url=url, now=now, token_hash=None)
    except ProofInvalid as error:
        raise TokenRefused(OAuthError.INVALID_DPOP_PROOF, error.public, reason=error.detail or error.public) from error


def _fields(granted: Granted) -> dict[str, Any]:
    wish = granted.wish
    return {
        "agent": wish.agent.agent,
        "purpose": wish.purpose.purpose,
        "run": granted.run.run,
        "instance": wish.instance,
        "credential": wish.credential,
        "audience": list(wish.audience),
        "bound": wish.jkt is not None,
        "expires": rfc3339(granted.expires),
        "run_ends": rfc3339(granted.run.ends),
    }
