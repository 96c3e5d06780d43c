"""Whose key is this: authenticates a client at the token endpoint by `private_key_jwt`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.attestation.assertion import MAX_SIZE, AssertionRefused, check_claims, claimed_client
from remit.attestation.model import Attested
from remit.attestation.ports import ClientKeys
from remit.kernel.clock import Instant
from remit.kernel.names import AgentName
from remit.keys import jose
from remit.storage.model import ConsumeProof

ALGORITHMS: Final = ("ES256", "Ed25519")
# RFC 7519 section 5.1 leaves `typ` out or says JWT; rfc7523bis names its own. No other type of
# token may stand in for an assertion, least of all an access token (RFC 8725 section 2.8).
TYPES: Final = ("", "jwt", "client-authentication+jwt")
_MAX_KEYS: Final = 16


class PrivateKeyJwt:
    """Client authentication with a signed assertion (RFC 7523 section 2.2)."""

    def __init__(self, keys: ClientKeys, *, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer
        # Stands in for the key of an agent that does not exist, so that asking for it takes as long.
        self._decoy = jose.private_key(jose.generate()).public

    def authenticate(self, assertion: str, *, now: Instant) -> tuple[Attested, ConsumeProof]:
        """Find out which agent signed `assertion`, and with which key.

        The returned effect must commit in the transaction that issues the token: until then the
        assertion has not been used, and if it fails the assertion is a replay.

        Raises:
            AssertionRefused: Unknown agent, wrong key, or a bad assertion; the public text is one for all.
        """
        client = claimed_client(assertion)
        try:
            key, claims = self._verified(assertion, client)
        except jose.JoseInvalid as error:
            raise AssertionRefused(error.public, client=client) from error
        try:
            replay_key, expires = check_claims(claims, client=client, issuer=self._issuer, now=now)
        except AssertionRefused as error:
            error.client = client
            raise
        attested = Attested(agent=AgentName(client), credential=key.thumbprint, method="private_key_jwt")
        return attested, ConsumeProof(replay_key, expires)

    def _verified(self, assertion: str, client: str) -> tuple[jose.PublicKey, Mapping[str, Any]]:
        """Try the client's keys: the one the header names, or each if it names none that is known."""
        registered = [jose.public_key(jwk) for jwk in self._keys.client_keys(client)[:_MAX_KEYS]]
        failure = jose.JoseInvalid("no such agent, or it has no keys")
        for candidate in registered or [self._decoy]:

            def choose(header: Mapping[str, Any], key: jose.PublicKey = candidate) -> jose.PublicKey | None:
                return key if _may_be(header, key, registered) else None

            try:
                _, claims = jose.verify(assertion, typ=TYPES, algorithms=ALGORITHMS, key=choose, max_size=MAX_SIZE)
            except jose.JoseInvalid as error:
                failure = error
                continue
            if registered:
                return candidate, claims
        raise failure


def _may_be(header: Mapping[str, Any], key: jose.PublicKey, registered: list[jose.PublicKey]) -> bool:
    """Whether the header's kid (if it has one that names any registered key) names this key."""
    kid = header.get("kid")
    names = {name for other in registered for name in (other.kid, other.thumbprint)}
    return kid not in names or kid in (key.kid, key.thumbprint)
