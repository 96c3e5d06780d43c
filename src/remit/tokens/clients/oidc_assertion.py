"""An assertion of a trusted issuer: the platform that a copy runs on says which workload it is (RFC 7523 section 3).

On the wire it is the same parameter as an agent's own assertion, and told apart by its `iss`: an agent's own names the
agent, whose name is no URL; a platform's names the platform. `client_id` says which agent the copy wants to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.attestation import oidc
from remit.attestation.assertion import AssertionRefused, claimed
from remit.attestation.issuer_keys import IssuerKeys
from remit.attestation.model import Attested
from remit.attestation.ports import Bound, Trusted
from remit.attestation.trust import Trust
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName
from remit.storage.model import ConsumeProof
from remit.tokens.clients.ports import Client
from remit.tokens.clients.private_key_jwt import ASSERTION_TYPE
from remit.tokens.clients.private_key_jwt import METHOD as PRIVATE_KEY_JWT
from remit.tokens.form import one
from remit.tokens.model import Asked, OAuthError, TokenRefused
from remit.tokens.ports import Standing

METHOD: Final = "oidc"


@dataclass(frozen=True, slots=True)
class IssuerAssertion:
    """Implements `clients.ports.ClientMethod`."""

    trusts: Trusted
    keys: IssuerKeys
    standing: Standing
    name: str = PRIVATE_KEY_JWT  # what the metadata calls an assertion signed with a private key, whoever holds it

    def used(self, asked: Asked) -> bool:
        """An assertion of this type was sent, and its `iss` is a trust's issuer."""
        return one(asked.form, "client_assertion_type") == ASSERTION_TYPE and self._trust(asked) is not None

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Which agent the issuer's word lets in."""
        token = one(asked.form, "client_assertion") or ""
        try:
            trust, client = sure(self._trust(asked)), named_client(asked)
            keys = self.keys.for_kid(trust, _claimed(token)[0].get("kid"))
            bound = bound_of(self.standing, client, now)
            word = oidc.attest(token, trust=trust, keys=keys, bound=bound, now=now)
        except AssertionRefused as error:
            raise refused(error) from error
        return let_in(client, METHOD, word)

    def _trust(self, asked: Asked) -> Trust | None:
        try:
            issuer = _claimed(one(asked.form, "client_assertion") or "")[1].get("iss")
        except AssertionRefused:
            return None
        return self.trusts.of_issuer(issuer) if isinstance(issuer, str) else None


def named_client(asked: Asked) -> str:
    """The agent that a copy wants to be. A platform's token names none, so the request must.

    Raises:
        AssertionRefused: It names none.
    """
    client = one(asked.form, "client_id")
    if client is None:
        raise AssertionRefused("client_id is missing")
    return client


def sure(trust: Trust | None) -> Trust:
    """The trust whose token this says it is.

    Raises:
        AssertionRefused: There is none.
    """
    if trust is None:
        raise AssertionRefused("no trust is declared for what it says it is of")
    return trust


def bound_of(standing: Standing, client: str, now: Instant) -> Sequence[Bound]:
    """What the agent's document lets in; nothing, if there is no such agent."""
    found = standing.agent_standing(client, now)
    return () if found is None else [Bound(each.method, each.said, each.credential) for each in found.agent.bindings]


def let_in(client: str, method: str, word: oidc.Word) -> Client:
    """The client, and the single use of what it showed."""
    agent = AgentName(client)
    attested = Attested(agent=agent, credential=word.credential, method=method, platform=word.platform)
    return attested, None if word.replay is None else ConsumeProof(word.replay, word.expires)


def refused(error: AssertionRefused) -> TokenRefused:
    """The one public answer, whatever the reason: no agent is told to exist, nor what it is bound to."""
    return TokenRefused(OAuthError.INVALID_CLIENT, error.public, reason=error.reason)


def _claimed(token: str) -> tuple[Any, Any]:
    return claimed(token, most=oidc.MAX_SIZE)
