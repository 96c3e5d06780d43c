"""`urn:ietf:params:oauth:grant-type:jwt-bearer`: an agent comes with a trusted issuer's word for whom it acts.

RFC 7523 section 2.1, and its profile ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant section 4.4). The agent
authenticates as ever. What it gets is a token of its own, for one of its own purposes, that says for whom it was had:
`sub` stays the agent (design, section 11: activations, budgets and purpose bind who acts), and `obo` is the person.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from remit.agents.bindings.id_jag import ID_JAG, JWT_BEARER
from remit.agents.model import Agent
from remit.attestation import oidc
from remit.attestation.assertion import SKEW, AssertionRefused
from remit.attestation.model import Attested
from remit.attestation.ports import Trusted
from remit.attestation.trust import GENERIC, Trust
from remit.kernel.clock import Instant
from remit.keys.foreign import KeySet
from remit.storage.ports import Transaction
from remit.tokens import checks
from remit.tokens.asserted import GRANT, TYPE_ID_JAG, Said, narrowed, peek, said
from remit.tokens.form import one
from remit.tokens.model import Asked, Behalf, Granted, OAuthError, TokenRefused, Wish
from remit.tokens.on_behalf import settle
from remit.tokens.ports import Records, Standing

# Whoever can be impersonated by a name alone may not come with somebody else's word: confidential clients only.
METHODS: Final = frozenset(
    {
        "private_key_jwt", "local_process", "oidc", "jwt_svid", "tls_client_auth", "self_signed_tls_client_auth",
        "client_secret_basic", "client_secret_post",
    }
)  # fmt: skip
_KEPT: Final = 256  # requests; more are not being answered at once


class _Verified(NamedTuple):
    asked: Asked  # kept, so that no other request has its id
    trust: Trust
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """Implements `grants.ports.Grant`.

    Args:
        standing: Where agents stand.
        base: This deployment's own URL: its issuer identifier.
        trusted: The issuers that operators declared.
        keys: An issuer's keys, for a kid; may fetch them, and so block.
        records: For the entry of a consent.
    """

    standing: Standing
    base: str
    trusted: Trusted
    keys: Callable[[Trust, object], KeySet]
    records: Records
    type: str = GRANT
    methods: frozenset[str] = METHODS
    _verified: OrderedDict[int, _Verified] = field(default_factory=OrderedDict)

    def wish(self, asked: Asked, attested: Attested, *, jkt: str | None, now: Instant) -> Wish:
        """All checks that follow authentication: the assertion first, then those of any token."""
        found = self._said(asked, now=now)
        # (6) Made for this client and no other (ID-JAG section 4.4.1).
        if found.profile == ID_JAG and found.client != attested.agent:
            raise _refused("the assertion is for another client")
        # (7) Bound to a key: then to the one that asks.
        if found.jkt is not None and found.jkt != jkt:
            raise _refused("the assertion is bound to another key")
        # (8) Within what the assertion is for, and what the agent has.
        standing = self.standing.agent_standing(attested.agent, now)
        wish = checks.wish(
            narrowed(asked.form, found), attested=attested, jkt=jkt, standing=standing, base=self.base, now=now,
            certificate=asked.certificate,
        )  # fmt: skip
        _agreed(wish.agent, found, wish.purpose.purpose)
        behalf = Behalf(found.issuer, found.subject, wish.agent.agent, wish.purpose.purpose)
        return replace(wish, behalf=behalf, person=behalf.person)

    def settle(self, tx: Transaction, asked: Asked, granted: Granted, *, now: Instant) -> Mapping[str, Any]:
        """The assertion is used, and the consent it stands for is kept; no refresh token (ID-JAG section 4.4.3)."""
        found = self._said(asked, now=now)
        settle(tx, self.records, granted, found, now=now)
        return {}

    def _said(self, asked: Asked, *, now: Instant) -> Said:
        """What a good assertion says.

        Raises:
            TokenRefused: invalid_request without one, invalid_grant for one that is not good here.
        """
        assertion = one(asked.form, "assertion")
        if not assertion:
            raise TokenRefused(OAuthError.INVALID_REQUEST, "assertion is missing")
        try:
            # (1) Who says it, before anything is verified: for choosing keys, and for nothing else.
            header, issuer = peek(assertion)
            trust = self.trusted.of_issuer(issuer)
            # ID-JAG section 4.4.1: who issues such assertions does not redeem its own. A platform's tokens are for
            # its own method, which refuses what is dangerous about them.
            if trust is None or issuer == self.base or trust.preset != GENERIC:
                raise AssertionRefused("the issuer is not trusted")  # noqa: TRY301 - one way out
            # (2) Its signature and type. (3)-(5) What it says, to whom, when.
            claims = self._claims(asked, assertion, header, trust)
            ends = oidc.within(claims, trust=trust, now=now, issued=True)
            return said(claims, header=header, issuer=trust.issuer, audience=self.base, ends=Instant(ends + SKEW))
        except AssertionRefused as error:
            raise TokenRefused(
                OAuthError.INVALID_GRANT, "the assertion is not valid here", reason=error.reason
            ) from error

    def _claims(self, asked: Asked, assertion: str, header: Mapping[str, Any], trust: Trust) -> Mapping[str, Any]:
        """The verified claims; remembered, because within the change nothing may be fetched.

        For this one request: whoever shows the assertion again is judged by the keys that the issuer has by then.
        """
        known = self._verified.get(id(asked))
        if known is not None and known.asked is asked and known.trust == trust:
            return known.claims
        types = (TYPE_ID_JAG,) if header.get("typ") == TYPE_ID_JAG else oidc.TYPES
        claims = oidc.verified(assertion, trust=trust, keys=self.keys(trust, header.get("kid")), types=types)
        self._verified[id(asked)] = _Verified(asked, trust, claims)
        while len(self._verified) > _KEPT:
            self._verified.popitem(last=False)
        return claims


def _agreed(agent: Agent, found: Said, purpose: str) -> None:
    """Whether the agent's document takes this issuer's word, for this purpose, for that subject."""
    method = ID_JAG if found.profile == ID_JAG else JWT_BEARER
    for each in agent.bindings:
        if each.method != method or each.said["issuer"] != found.issuer or purpose not in each.said["purposes"]:
            continue
        if "subjects" not in each.said or found.subject in each.said["subjects"]:
            return
    raise _refused(f"the agent's document does not take this issuer's word for that ({method})")


def _refused(description: str) -> TokenRefused:
    return TokenRefused(OAuthError.INVALID_GRANT, description)
