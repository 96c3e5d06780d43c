"""`token-exchange`: an agent acts for another, within less than that one has (RFC 8693)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.access.attenuate import attenuated, wider
from remit.access.model import Purpose
from remit.access.spec import clauses
from remit.attestation.model import Attested, Caller, Link
from remit.kernel.canonical import parse
from remit.kernel.clock import Instant
from remit.kernel.names import new_id
from remit.storage.ports import Transaction
from remit.tokens import checks
from remit.tokens.check import Presented, TokenChecker
from remit.tokens.delegations_sql import Delegation, SqlDelegations
from remit.tokens.details import Details, details
from remit.tokens.form import one
from remit.tokens.model import AgentStanding, Asked, Form, Granted, OAuthError, TokenRefused, Wish
from remit.tokens.ports import Access, Standing
from remit.tokens.resources import audience
from remit.tokens.still import check_still

TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
MOST_DEPTH: Final = 3  # agents for which one acts at once
_METHODS: Final = frozenset({"private_key_jwt", "local_process", "oidc", "jwt_svid", "tls_client_auth",
                             "self_signed_tls_client_auth"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """Implements `grants.ports.Grant`."""

    standing: Standing
    access: Access
    checker: TokenChecker
    base: str
    type: str = TYPE
    methods: frozenset[str] = _METHODS

    def wish(self, asked: Asked, attested: Attested, *, jkt: str | None, now: Instant) -> Wish:
        """The checks, in their order; each names what it stops."""
        form = asked.form
        # (1) The agent that acts may have tokens at all, and proved its key.
        sure = checks.check_standing(self.standing.agent_standing(attested.agent, now), now=now)
        x5t = checks.bound_certificate(sure, asked.certificate)
        checks.check_bound(sure, jkt=jkt, x5t=x5t)
        instance = checks.own_instance(sure, attested, jkt=jkt, x5t=x5t)
        # (2) Whose access: a token of ours, alive, of an agent that is so itself (a stolen old one).
        subject = self._subject(form, now)
        parent = self._parent(subject.caller, now)
        # (3) It may act for that one: by the token, and still by what is registered (an agent that nobody named).
        _may_act(sure, subject, parent)
        # (4) Nobody is in the chain twice, and it is not too long (delegation bomb).
        _check_chain(attested, subject.caller)
        # (5) An actor token is the client's own, had for itself with the same key (chain splicing).
        self._check_actor(form, attested, jkt=jkt, now=now)
        # (6) Purpose, audience and what is handed on are no wider.
        wanted = details(one(form, "authorization_details"))
        purpose = _purpose(form, wanted, sure, subject.caller)
        where = self._audience(form, sure, subject)
        self._check_allow(wanted, subject.caller)
        above = subject.caller
        mine = Link(
            agent=above.agent, instance=above.instance, credential=above.credential, run=above.run, token=above.token,
            attested=above.attested, allow=wanted.allow,
        )  # fmt: skip
        return Wish(
            agent=sure.agent, purpose=purpose, instance=instance, credential=attested.credential, audience=where,
            jkt=jkt, x5t=x5t, new_run=wanted.new_run, txn=above.txn, delegation=_named(above, sure, instance, wanted),
            links=(*above.links, mine), run_cap=above.run_ends, token_cap=above.expires,
            person=above.person,  # who acts for another acts for whoever stands behind that one
        )  # fmt: skip

    def settle(self, tx: Transaction, asked: Asked, granted: Granted, *, now: Instant) -> Mapping[str, Any]:  # noqa: ARG002 - the port
        """Leave the delegation's record; not more agents act for one at once than its registration says."""
        wish, rows = granted.wish, SqlDelegations(tx.connection)
        mine = wish.links[-1]
        standing = self.standing.agent_standing(mine.agent, now)
        most = 0 if standing is None else standing.agent.max_children
        others = rows.children(mine.agent, now) - {(wish.agent.agent, wish.instance)}
        if len(others) >= most:
            raise TokenRefused(
                OAuthError.UNAUTHORIZED_CLIENT,
                f"{len(others)} agents act for the subject, of at most {most} (max_children)",
            )
        rows.put(Delegation(
            delegation=wish.delegation, parent=mine.agent, child=wish.agent.agent, instance=wish.instance,
            purpose=wish.purpose.purpose, depth=len(wish.links), run=granted.run.run, above=mine.run, allow=mine.allow,
            txn=granted.txn, ends=granted.run.ends,
        ))  # fmt: skip
        return {"issued_token_type": ACCESS_TOKEN}

    def _subject(self, form: Form, now: Instant) -> Presented:
        token, kind = one(form, "subject_token"), one(form, "subject_token_type")
        if token is None or kind != ACCESS_TOKEN:
            raise _invalid("a subject_token is needed, and its type is access_token")
        if one(form, "requested_token_type") not in (None, ACCESS_TOKEN):
            raise _invalid("the requested_token_type is access_token")
        found = self.checker.read(token, now=now)
        if found is None:
            raise _invalid("the subject token is not valid")
        return found

    def _parent(self, caller: Caller, now: Instant) -> AgentStanding:
        """Everybody for whom it would act may act itself: what no call would be allowed with is not handed on."""
        try:
            return check_still(self.standing, caller, now=now)
        except TokenRefused as error:
            raise _invalid("the subject token is not valid", reason=f"subject: {error.reason}") from error

    def _check_actor(self, form: Form, attested: Attested, *, jkt: str | None, now: Instant) -> None:
        token, kind = one(form, "actor_token"), one(form, "actor_token_type")
        if token is None:
            if kind is not None:
                raise _invalid("an actor_token_type without an actor_token")
            return
        found = self.checker.read(token, now=now) if kind == ACCESS_TOKEN else None
        if found is None:
            raise _invalid("the actor token is not valid")
        actor = found.caller
        if actor.agent != attested.agent or actor.links or (found.jkt is not None and found.jkt != jkt):
            raise _invalid("the actor token is not the client's own", reason="chain_mismatch")

    def _audience(self, form: Form, sure: AgentStanding, subject: Presented) -> tuple[str, ...]:
        asked = form.get("resource", ()) or tuple(sorted(subject.audience))
        one_only = sure.agent.sender_constraint.value == "none"
        where = audience(asked, base=self.base, exactly_one=one_only)
        if self.base not in subject.audience and not subject.audience.issuperset(where):
            raise TokenRefused(OAuthError.INVALID_TARGET, "the subject token is for other resources")
        return where

    def _check_allow(self, wanted: Details, caller: Caller) -> None:
        rules = self.access.rules(caller)
        asked = clauses(parse(wanted.allow)) if wanted.allow else None
        if asked is not None and (found := wider(rules, asked)):
            raise TokenRefused(
                OAuthError.INVALID_AUTHORIZATION_DETAILS, f"that is more than the subject has: {found[0]}"[:300]
            )
        if not attenuated(rules, asked):
            raise TokenRefused(OAuthError.INVALID_SCOPE, "the subject has nothing to hand on for this purpose")


def _may_act(sure: AgentStanding, subject: Presented, parent: AgentStanding) -> None:
    name = sure.agent.agent
    if name not in subject.may_act or name not in parent.agent.delegates:
        raise TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, "the client may not act for the subject")


def _check_chain(attested: Attested, caller: Caller) -> None:
    above: Collection[str] = [*(link.agent for link in caller.links), caller.agent]
    if attested.agent in above:
        raise _invalid("an agent does not act for itself")
    if len(above) > MOST_DEPTH:
        raise _invalid(f"more than {MOST_DEPTH} agents would act for one another", reason="delegation_too_deep")


def _purpose(form: Form, wanted: Details, sure: AgentStanding, caller: Caller) -> Purpose:
    """The subject's own purpose, which must be one of the actor's too: its owner said that it works for that."""
    asked = {each for each in (one(form, "scope"), wanted.purpose and f"purpose:{wanted.purpose}") if each}
    if asked - {f"purpose:{caller.purpose}"}:
        raise TokenRefused(OAuthError.INVALID_SCOPE, "the scope is that of the subject token")
    return checks.own_purpose(sure, caller.purpose)


def _named(above: Caller, sure: AgentStanding, instance: str, wanted: Details) -> str:
    """The delegation's id: the same while the same copy acts in the same run of the same one within the same."""
    return SqlDelegations.name(above.run, sure.agent.agent, instance, wanted.allow) if above.run else new_id("dlg")


def _invalid(description: str, *, reason: str = "") -> TokenRefused:
    """RFC 8693 section 2.2.2: what is wrong with a subject or actor token is invalid_request."""
    return TokenRefused(OAuthError.INVALID_REQUEST, description, reason=reason or description)
