"""The token service: one request, a list of named checks, one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.attestation.assertion import AssertionRefused
from remit.attestation.local_process import LocalProcess
from remit.attestation.model import Attested, Process
from remit.attestation.service import PrivateKeyJwt
from remit.kernel.clock import Clock, Instant, rfc3339
from remit.kernel.names import AgentName, InstanceId, RunId, new_id
from remit.keys import jose
from remit.keys.model import TokenKeys
from remit.storage.model import Committed, ConsumeProof, Entry
from remit.storage.ports import Transaction, Writer
from remit.tokens import checks, issue
from remit.tokens.check import TYPE
from remit.tokens.clients.ports import Client, ClientMethod
from remit.tokens.clients.private_key_jwt import METHOD as PRIVATE_KEY_JWT
from remit.tokens.clients.private_key_jwt import SignedAssertion
from remit.tokens.details import details
from remit.tokens.dpop import NonceWanted, Proof, ProofInvalid, check_proof
from remit.tokens.elsewhere import Elsewhere, Unwatched
from remit.tokens.evidence import evidence
from remit.tokens.families import Reused
from remit.tokens.form import one
from remit.tokens.going import GoingRuns
from remit.tokens.grants.client_credentials import ClientCredentials
from remit.tokens.grants.ports import Grant
from remit.tokens.metadata import server_metadata
from remit.tokens.model import Asked, Form, Granted, OAuthError, TokenRefused
from remit.tokens.nonce import Nonces
from remit.tokens.ports import Records, Standing
from remit.tokens.refusals import Refusals
from remit.tokens.renewal import Renewal, Shown, renewal
from remit.tokens.sql import SqlRuns
from remit.tokens.whereabouts import HERE


@dataclass(frozen=True, slots=True)
class _Registered:
    """The keys that agents registered, as attestation asks for them."""

    standing: Standing
    clock: Clock

    def client_keys(self, client: str) -> Sequence[Mapping[str, Any]]:
        found = self.standing.agent_standing(client, self.clock.now())
        return () if found is None else found.agent.keys

    def local_uids(self, client: str) -> Collection[int]:
        found = self.standing.agent_standing(client, self.clock.now())
        return () if found is None else found.agent.uids


@dataclass(slots=True)
class _Seen:
    """How far a request got, for the record of its refusal."""

    attested: Attested | None = None
    uses: tuple[ConsumeProof, ...] = ()  # what was shown, and is used by having been seen


class TokenService:
    """Issues access tokens to agents. Synchronous: it waits for the disk, so call it from a thread."""

    def __init__(  # noqa: PLR0913 - what it works with
        self, *, issuer: str, keys: TokenKeys, standing: Standing, writer: Writer, records: Records, clock: Clock,
        grants: Sequence[Grant] = (), clients: Sequence[ClientMethod] = (), nonces: Nonces | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:  # fmt: skip
        """Put it together. `grants` and `clients` come beside client_credentials and private_key_jwt.

        Without `nonces` no proof needs one.
        """
        self.nonces = nonces
        self._elsewhere: Elsewhere | Unwatched = elsewhere or Unwatched()
        self.issuer = issuer
        self._keys = keys
        self._standing = standing
        self._writer = writer
        self._records = records
        self._clock = clock
        registered = _Registered(standing, clock)
        alike = tuple(each for each in clients if each.name == PRIVATE_KEY_JWT)
        own_keys = SignedAssertion(PrivateKeyJwt(registered, issuer=issuer), others=alike)
        self.clients: tuple[ClientMethod, ...] = (own_keys, *clients)
        self._own_keys, self._own = own_keys, ClientCredentials(standing, issuer)
        self._going = GoingRuns()
        self.grants: dict[str, Grant] = {grant.type: grant for grant in (self._own, *grants)}
        self._locals = LocalProcess(registered)
        self._refusals = Refusals(writer, records)

    def token(
        self, form: Form, *, dpop: str | None, url: str, authorization: str | None = None,
        certificate: bytes | None = None, chain: tuple[bytes, ...] = (),
    ) -> dict[str, Any]:  # fmt: skip
        """Answer one token request: the body of the 200.

        When this returns, the run, the instance, the single use of assertion and proof, and the
        `token` entry are durable together.

        Args:
            form: The request's parameters.
            dpop: The `DPoP` header; several joined are refused as one that is malformed.
            url: The token endpoint's own URL, for the proof's `htu`.
            authorization: An `Authorization` header.
            certificate: The client's certificate (DER), where the connection showed one.
            chain: What that was signed by, as far as it was shown.

        Raises:
            TokenRefused: Recorded as a `refused` entry, within a budget.
            StorageUnavailable: Nothing was issued.
        """
        asked = Asked(form=form, url=url, dpop=dpop, authorization=authorization, certificate=certificate, chain=chain)
        return self.answer(asked)

    def answer(self, asked: Asked, *, spent: bool = False) -> dict[str, Any]:
        """The same for a request in one piece. `spent`: `renew` has used its assertion and its proof."""
        return self._answer(asked, who=lambda now: self._client(asked, now), spent=spent)[1]

    def renewal(self, asked: Asked) -> Renewal | None:
        """The request as one more token of a run that goes on, if it is that: an agent's own key asks, for itself.

        Such a token changes no state that decisions look at, so it needs no turn among changes: a work that commits
        with all others will do. In memory and without waiting, so the event loop may call it. None: `answer` says
        what is so, and records it if it refuses.
        """
        now = self._clock.now()
        try:
            if checks.chosen_grant(asked.form, self.grants) is not self._own:
                return None
            if checks.chosen_method(asked, self.clients) is not self._own_keys:
                return None
            shown = self._shown(asked, self._own, who=lambda now: self._own_keys.at_once(asked, now=now), now=now)
            wish = self._own.wish(asked, shown.attested, jkt=shown.jkt, now=now)
        except TokenRefused:
            return None
        run = self._going.of(wish, now)
        if run is None or not self._elsewhere.stays(wish, asked.address):
            return None
        return renewal(
            asked, wish, run, shown, now=now, token=new_id("tok"), txn=new_id("txn"),
            entry=lambda granted: self._entry(granted, self._own, None),
        )  # fmt: skip

    async def renew(self, renewal: Renewal) -> dict[str, Any] | None:
        """Record it and answer it. None: the run is over or another by now; assertion and proof are used up.

        Raises:
            TokenRefused: Assertion or proof was used before, or the agent may have no tokens any more; not recorded.
            StorageUnavailable: Nothing was issued.
        """
        done: Committed = await self._writer.submit_async(renewal.work)
        granted, shown, now = renewal.granted, renewal.shown, self._clock.now()
        if isinstance(done.failed, ConsumeProof):
            raise shown.replayed(done.failed)
        if done.failed is not None:
            self._going.forget(granted.wish)
            return None
        # Asked again, as it is recorded: what stopped the agent meanwhile stops this token, which nobody has seen.
        self._own.wish(renewal.asked, shown.attested, jkt=shown.jkt, now=now)
        self._going.keep(granted)
        self._elsewhere.seen(granted, renewal.asked.address, now=now)
        return self._signed(renewal.asked, granted, now=now)

    def local(self, form: Form, *, dpop: str | None, url: str, process: Process) -> tuple[Granted, dict[str, Any]]:
        """Answer the same request from a process of this machine, which the kernel named (`local_socket`).

        All checks but the client's authentication are those of `token`.

        Raises:
            TokenRefused, StorageUnavailable: As `token`.
        """

        def who(_now: Instant) -> Client:
            try:
                return self._locals.authenticate(one(form, "client_id") or "", process), None
            except AssertionRefused as error:
                raise TokenRefused(OAuthError.INVALID_CLIENT, error.reason, reason=error.reason) from error

        return self._answer(Asked(form=form, url=url, dpop=dpop, address=HERE), who=who)

    def end(self, agent: AgentName, instance: InstanceId, *, process: Process) -> None:
        """The process is gone, and the key of its instance with it: its runs are over, its place is free.

        Raises:
            StorageUnavailable: Not recorded; the runs end by themselves.
        """
        now = self._clock.now()

        def apply(transaction: Transaction) -> None:
            for run in SqlRuns(transaction.connection).end(agent, instance, now=now):
                fields = {"what": "run", "name": run, "change": "end", "by": f"uid:{process.uid}"}
                transaction.record(self._records.entry("change", fields | {"agent": agent, "instance": instance}))

        self._writer.change(apply)

    def _answer(
        self, asked: Asked, *, who: Callable[[Instant], Client], spent: bool = False
    ) -> tuple[Granted, dict[str, Any]]:
        now, seen = self._clock.now(), _Seen()
        try:
            granted, more = self._grant(asked, who=who, now=now, seen=seen, spent=spent)
        except TokenRefused as refused:
            if isinstance(refused, Reused):
                self._writer.change(refused.end)  # its own change, for that of the request does not stay
            self._refusals.record(refused, attested=seen.attested, uses=seen.uses, now=now)
            raise
        self._going.keep(granted)
        self._elsewhere.seen(granted, asked.address, now=now)
        return granted, {**self._signed(asked, granted, now=now), **more}

    def _signed(self, asked: Asked, granted: Granted, *, now: Instant) -> dict[str, Any]:
        signed = jose.sign(issue.claims(granted, issuer=self.issuer), typ=TYPE, key=self._keys.active)
        echo = details(one(asked.form, "authorization_details")).granted(granted.wish.purpose.purpose)
        return issue.answer(granted, signed, echo=echo, now=now)

    def refuse(
        self, refused: TokenRefused, *, attested: Attested | None = None, used: ConsumeProof | None = None
    ) -> None:
        """Record a refusal that was decided elsewhere: before there was a form to look at, or by another endpoint."""
        self._refusals.record(refused, attested=attested, uses=() if used is None else (used,), now=self._clock.now())

    def authenticate(
        self, form: Form, *, authorization: str | None, certificate: bytes | None = None,
        chain: tuple[bytes, ...] = (), url: str = "",
    ) -> Client:  # fmt: skip
        """Which agent asks, at another endpoint of this authorization server; the effect must commit with it.

        Raises:
            TokenRefused: invalid_client.
        """
        asked = Asked(form=form, url=url, authorization=authorization, certificate=certificate, chain=chain)
        return self._client(asked, self._clock.now())

    def jwks(self) -> dict[str, Any]:
        """The public keys of access tokens (RFC 7517 section 5)."""
        return self._keys.jwks()

    def metadata(self) -> dict[str, Any]:
        """The authorization server's metadata (RFC 8414)."""
        methods = list(dict.fromkeys(each.name for each in self.clients))
        return server_metadata(self.issuer, grants=self.grants, methods=methods)

    def _shown(
        self, asked: Asked, grant: Grant, *, who: Callable[[Instant], Client], now: Instant, seen: _Seen | None = None
    ) -> Shown:
        # (2) Who asks.
        attested, used = who(now)
        if seen is not None:
            seen.attested, seen.uses = attested, () if used is None else (used,)
        checks.check_client_id(asked.form, attested)
        checks.check_method(attested, grant)
        # (3) The key the token is to be bound to.
        # A process of this machine asks on a socket that nobody else reads: there no nonce is needed.
        fresh = None if self.nonces is None or attested.process is not None else self.nonces.at_token(now)
        shown = Shown(attested, used, _proof(asked.dpop, url=asked.url, now=now, fresh=fresh))
        if seen is not None:
            seen.uses = shown.uses
        return shown

    def _grant(
        self, asked: Asked, *, who: Callable[[Instant], Client], now: Instant, seen: _Seen, spent: bool
    ) -> tuple[Granted, Mapping[str, Any]]:
        # (1) A request we can answer at all.
        grant = checks.chosen_grant(asked.form, self.grants)
        shown = self._shown(asked, grant, who=who, now=now, seen=seen)
        attested, jkt = shown.attested, shown.jkt

        def apply(transaction: Transaction) -> tuple[Granted, Mapping[str, Any]]:
            # (5) Asked again where changes of state are applied, so that none can come between.
            wish = grant.wish(asked, attested, jkt=jkt, now=now)
            stored = SqlRuns(transaction.connection)
            # (6) Assertion and proof are used once (RFC 7523 section 3 item 7, RFC 9449 section 11.1).
            for use in () if spent else shown.uses:
                if not stored.consume(use):
                    raise shown.replayed(use)
            # (7) Instances, then the run and the end of the token.
            runs = stored.open_runs(wish.agent.agent, now)
            issue.check_instances(wish, runs, now=now)
            granted = issue.grant(
                wish, runs, now=now, token=new_id("tok"), fresh=RunId(new_id("run")), txn=new_id("txn")
            )
            stored.save(granted, now=now)
            # (8) What the grant itself leaves behind.
            more = grant.settle(transaction, asked, granted, now=now)
            # The entry goes by the token's own id, so that a token seen anywhere leads to it.
            transaction.record(self._entry(granted, grant, attested))
            return granted, more

        # (4) Standing, sender constraint, purpose, audience: most refusals need no transaction.
        # One copy's key in use at two places is refused at the second.
        self._elsewhere.check(grant.wish(asked, attested, jkt=jkt, now=now), asked.address, now=now)
        return self._writer.change(apply)

    def _entry(self, granted: Granted, grant: Grant, attested: Attested | None) -> Entry:
        """The entry of a token, with the evidence for who got it."""
        fields, sealed = evidence(attested)
        fields = {**_fields(granted), "grant": grant.type, **fields}
        about = None if sealed is None else f"agent:{granted.wish.agent.agent}"
        return self._records.entry("token", fields, id=granted.token, about=about, payload=sealed)

    def _client(self, asked: Asked, now: Instant) -> Client:
        return checks.chosen_method(asked, self.clients).authenticate(asked, now=now)


def _proof(dpop: str | None, *, url: str, now: Instant, fresh: Callable[[object], bool] | None) -> Proof | None:
    if dpop is None:
        return None
    try:
        return check_proof(dpop, method="POST", url=url, now=now, token_hash=None, fresh=fresh)
    except NonceWanted as error:
        raise TokenRefused(OAuthError.USE_DPOP_NONCE, error.public) from error
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
        "bound": wish.jkt is not None or wish.x5t is not None,
        "expires": rfc3339(granted.expires),
        "run_ends": rfc3339(granted.run.ends),
        **({} if wish.behalf is None else {"obo": wish.behalf.person, "consent": wish.behalf.consent}),
        "txn": granted.txn,
        **_acts_for(granted),
    }


def _acts_for(granted: Granted) -> dict[str, Any]:
    links = granted.wish.links
    if not links:
        return {}
    names = [link.agent for link in links]
    return {"delegation": granted.wish.delegation, "acts_for": names, "depth": len(names), "above": links[-1].token}
