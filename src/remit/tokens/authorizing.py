"""The authorization endpoint: what a person is asked, and the code that their yes gives (RFC 6749 section 4.1).

A person signs in first, and only then is anything of the request looked at: what is registered here, and which
addresses Remit asks for a client's metadata, is nothing for strangers.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from remit.access.model import Purpose, PurposeState
from remit.agents.binding import Binding
from remit.agents.bindings.client_metadata import client_of
from remit.agents.model import SenderConstraint
from remit.kernel.clock import DAY, Clock, Instant, rfc3339
from remit.kernel.names import AgentName, OwnerName, PurposeName, new_id
from remit.people.change import Actor, Changed, record
from remit.people.consent import Consent, ConsentState, ends
from remit.people.consent_sql import SqlConsents, body
from remit.storage.ports import Transaction, Writer
from remit.tokens.authorize import AuthorizeError, AuthorizeRefused, Return, Wanted, named, state_of, wanted
from remit.tokens.checks import check_standing, requested_purpose
from remit.tokens.clients.document import ClientDocument, ClientInvalid, described
from remit.tokens.clients.documents import Documents
from remit.tokens.consented import CODE_LIFETIME, CODE_PREFIX, Code, Given, hashed
from remit.tokens.families import SqlFamilies
from remit.tokens.form import MEDIA_TYPE, parse_form
from remit.tokens.model import AgentStanding, OAuthError, TokenRefused
from remit.tokens.ports import Records
from remit.tokens.refusals import Refusals
from remit.tokens.resources import audience

_KEPT: Final = DAY  # a code or refresh token that expired this long ago is forgotten
May = Callable[[str], bool]
"""Whether the person who is signed in may consent for an agent of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One agent and purpose that a client could act as."""

    agent: AgentName
    purpose: PurposeName
    statement: str
    resources: tuple[str, ...]
    until: Instant
    credential: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person is asked: whether this client may act as this agent, or as one of these."""

    client: ClientDocument
    back: Return
    wanted: Wanted
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorizing:
    """Asks, and writes down what was answered. Synchronous. `registered` finds the agents that name a client."""

    issuer: str
    registered: Callable[[str], Sequence[AgentStanding]]
    documents: Documents
    writer: Writer
    records: Records
    refusals: Refusals
    clock: Clock

    def question(self, query: bytes, *, by: Actor, may: May) -> Question:
        """What `by` is asked on a request of these parameters.

        Raises:
            AuthorizeRefused: Recorded as a `refused` entry, within a budget.
            StorageUnavailable: It could not be recorded.
        """
        try:
            return self._question(query, may)
        except AuthorizeRefused as refused:
            self._note(refused, by)
            raise

    def consent(self, query: bytes, *, agent: str, purpose: str, by: Actor, may: May) -> str:
        """The person says yes, for one of the choices; where to send their browser.

        When this returns, the consent, its entry and the code are durable together.

        Raises:
            AuthorizeRefused, StorageUnavailable: As `question`.
        """
        question = self.question(query, by=by, may=may)
        chosen = [each for each in question.choices if (each.agent, each.purpose) == (agent, purpose)]
        if not chosen:
            refused = AuthorizeRefused(AuthorizeError.INVALID_REQUEST, "choose an agent and a purpose")
            self._note(refused, by)
            raise refused
        secret = CODE_PREFIX + secrets.token_urlsafe(32)
        self.writer.change(lambda tx: self._give(tx, question, chosen[0], secret, by))
        return question.back.url(code=secret)

    def deny(self, query: bytes, *, by: Actor, may: May) -> str:
        """The person says no; where to send their browser.

        Raises:
            AuthorizeRefused, StorageUnavailable: As `question`.
        """
        question = self.question(query, by=by, may=may)
        denied = AuthorizeRefused(AuthorizeError.ACCESS_DENIED, "the person said no", back=question.back)
        self._note(denied, by)
        return denied.location or ""

    def _question(self, query: bytes, may: May) -> Question:
        now = self.clock.now()
        # (1) Parameters that can be read, each once.
        try:
            form = parse_form(query, media_type=MEDIA_TYPE)
        except TokenRefused as error:
            raise AuthorizeRefused(AuthorizeError.INVALID_REQUEST, error.public) from error
        client, redirect = named(form)
        state = state_of(form)
        # (2) A client that agents name, and among them one that this person answers for: nobody else may consent,
        # and nobody else is told whether there is such an agent.
        standings = self.registered(client)
        own = [each for each in standings if may(each.agent.agent)]
        if not own:
            reason = "not this person's to consent to" if standings else "no agent lets this client in"
            raise AuthorizeRefused(
                AuthorizeError.ACCESS_DENIED,
                "no agent that you answer for lets this client in: an agent's owner or backup can consent for it",
                status=403, reason=reason,
            )  # fmt: skip
        # (3) An address that the client itself named. From here on the client is told.
        fitting = self._fitting(own, client, redirect)
        back = Return(redirect, state, self.issuer)
        asked = wanted(form, back)
        # (4) What it may be let act as, for this person.
        found: list[Choice] = []
        why: TokenRefused | None = None
        for standing, binding, _ in fitting:
            try:
                found += self._choices(standing, binding, asked, now)
            except TokenRefused as error:
                why = error
        if why is not None and not found:
            raise AuthorizeRefused(AuthorizeError(why.error.value), why.public, back=back, reason=why.reason)
        return Question(client=fitting[0][2], back=back, wanted=asked, choices=tuple(found))

    def _fitting(
        self, standings: Sequence[AgentStanding], client: str, redirect: str
    ) -> list[tuple[AgentStanding, Binding, ClientDocument]]:
        found = [
            (standing, binding, document)
            for standing in standings
            for binding in standing.agent.bindings
            if client_of(binding) == client and (document := self._document(binding)).fits(redirect)
        ]
        if not found:
            # RFC 9700 section 4.1: never sent there, or Remit would send codes wherever it is asked to.
            raise AuthorizeRefused(
                AuthorizeError.INVALID_REQUEST, "the redirect_uri is not one that this client registered"
            )
        return found

    def _document(self, binding: Binding) -> ClientDocument:
        if "url" not in binding.said:
            return described(binding)
        try:
            return self.documents.document(binding.said["url"])
        except ClientInvalid as error:
            reason = f"{error.public}: {error.detail}" if error.detail else error.public
            raise AuthorizeRefused(AuthorizeError.INVALID_CLIENT_METADATA, error.public, reason=reason[:300]) from error

    def _choices(self, standing: AgentStanding, binding: Binding, asked: Wanted, now: Instant) -> list[Choice]:
        """The purposes for which this agent may be asked for. Raises TokenRefused: for none."""
        sure = check_standing(standing, now=now)
        agent = sure.agent
        if binding.credential in sure.frozen_credentials:
            raise TokenRefused(OAuthError.UNAUTHORIZED_CLIENT, "the client is frozen")
        where = audience(
            asked.resources, base=self.issuer, exactly_one=agent.sender_constraint is SenderConstraint.NONE
        )
        purposes: list[Purpose] = (
            [requested_purpose(asked.asked, sure, now=now)]
            if asked.asked
            else [each for each in sure.purposes if each.state is PurposeState.ACTIVE and now < each.not_after]
        )
        if not purposes:
            raise TokenRefused(OAuthError.INVALID_SCOPE, "the purpose is not active")
        return [
            Choice(
                agent=agent.agent,
                purpose=each.purpose,
                statement=each.statement,
                resources=where,
                until=ends(now, agent_ends=agent.not_after, purpose_ends=each.not_after),
                credential=binding.credential,
            )
            for each in purposes
        ]

    def _give(self, tx: Transaction, question: Question, choice: Choice, secret: str, by: Actor) -> None:
        now, stored, rows = self.clock.now(), SqlFamilies(tx.connection), SqlConsents(tx.connection)
        wish = Consent(
            consent=new_id("con"), person=OwnerName(by.person), agent=choice.agent, client=question.client.client_id,
            purpose=choice.purpose, resources=choice.resources, given=now, until=choice.until,
            state=ConsentState.GIVEN, name=question.client.name,
        )  # fmt: skip
        before = rows.same(wish)
        consent = wish if before is None else replace(wish, consent=before.consent)
        rows.put(consent)
        given = Given(
            consent=consent.consent, person=consent.person, client=consent.client, signs=question.client.signs,
            renews=question.client.renews, agent=choice.agent, credential=choice.credential, purpose=choice.purpose,
            resources=choice.resources, until=consent.until, jkt=question.wanted.jkt,
        )  # fmt: skip
        stored.put_code(
            Code(
                code=hashed(secret), given=given, redirect_uri=question.back.redirect_uri,
                challenge=question.wanted.challenge, expires=Instant(now + CODE_LIFETIME),
            )
        )  # fmt: skip
        stored.forget(before=Instant(now - _KEPT))
        changed = Changed(
            what="consent", name=consent.consent, change="give", before=None if before is None else body(before),
            after=body(consent), more=told(consent),
        )  # fmt: skip
        record(tx, self.records, changed, by=by)
        tx.touch(f"consent:{consent.consent}")

    def _note(self, refused: AuthorizeRefused, by: Actor) -> None:
        said = {"door": "authorize", "error": refused.error.value, "reason": refused.reason, "by": by.by}
        if by.as_ is not None:
            said["as"] = by.as_
        self.refusals.note(said, who=f"person:{by.by}", now=self.clock.now())


def told(consent: Consent) -> dict[str, object]:
    """What an entry says of a consent in clear."""
    return {
        "person": consent.person,
        "agent": consent.agent,
        "client": consent.client,
        "purpose": consent.purpose,
        "resources": list(consent.resources),
        "until": rfc3339(consent.until),
    }
