"""A JWT-SVID: a SPIFFE trust domain says which workload this is (draft-ietf-oauth-spiffe-client-auth, section 3.1).

The assertion type is one of its own: the issuer is not asked for, the subject is a SPIFFE ID, and the keys are those
of its trust domain's bundle. `client_id` names the agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from remit.attestation import oidc, svid
from remit.attestation.assertion import AssertionRefused, claimed
from remit.attestation.issuer_keys import IssuerKeys
from remit.attestation.ports import Trusted
from remit.kernel.clock import Instant
from remit.tokens.clients.oidc_assertion import bound_of, let_in, named_client, refused, sure
from remit.tokens.clients.ports import Client
from remit.tokens.form import one
from remit.tokens.model import Asked
from remit.tokens.ports import Standing

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
METHOD: Final = "jwt_svid"


@dataclass(frozen=True, slots=True)
class JwtSvid:
    """Implements `clients.ports.ClientMethod`."""

    trusts: Trusted
    keys: IssuerKeys
    standing: Standing
    issuer: str  # this authorization server's identifier, which is an identity's one audience
    name: str = "spiffe_jwt"

    def used(self, asked: Asked) -> bool:
        """An assertion of this type was sent."""
        return one(asked.form, "client_assertion_type") == ASSERTION_TYPE and "client_assertion" in asked.form

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Which agent the trust domain's word lets in."""
        token = one(asked.form, "client_assertion") or ""
        try:
            client = named_client(asked)
            header, claims = claimed(token, most=oidc.MAX_SIZE)
            domain = svid.domain_of(claims.get("sub"))
            trust = sure(None if domain is None else self.trusts.of_domain(domain))
            keys = self.keys.for_kid(trust, header.get("kid"))
            bound = bound_of(self.standing, client, now)
            word = svid.attest(token, trust=trust, keys=keys, bound=bound, issuer=self.issuer, now=now)
        except AssertionRefused as error:
            raise refused(error) from error
        return let_in(client, METHOD, word)
