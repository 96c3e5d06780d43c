"""Whose key is this: authenticates a client at the token endpoint by `private_key_jwt`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
# Of the keys that an assertion may be signed with, where it does not say by which. As many are tried whoever is named,
# whether there is such an agent and however many keys it has: else the time of a refusal would tell.
_TRIES: Final = 4
_KEPT: Final = 4096  # agents


@dataclass(frozen=True, slots=True)
class _Registered:
    """An agent's keys, imported."""

    source: Sequence[Mapping[str, Any]]
    keys: tuple[jose.PublicKey, ...]
    names: frozenset[str | None]  # their kids and thumbprints


class PrivateKeyJwt:
    """Client authentication with a signed assertion (RFC 7523 section 2.2)."""

    def __init__(self, keys: ClientKeys, *, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer
        # They stand in for the keys of an agent that does not exist, or has fewer.
        self._decoys = {name: jose.private_key(jose.generate(name)).public for name in ALGORITHMS}
        self._imported: OrderedDict[str, _Registered] = OrderedDict()

    def authenticate(self, assertion: str, *, now: Instant, tries: int = _TRIES) -> tuple[Attested, ConsumeProof]:
        """Find out which agent signed `assertion`, and with which key.

        The returned effect must commit in the transaction that issues the token: until then the
        assertion has not been used, and if it fails the assertion is a replay.

        Args:
            assertion: The client's own.
            now: The time to judge at.
            tries: How many signatures are verified at most; a refusal verifies just as many.

        Raises:
            AssertionRefused: Unknown agent, wrong key, or a bad assertion; the public text is one for all.
        """
        header, client = claimed_client(assertion)
        try:
            key, claims = self._verified(assertion, header, client, tries)
        except jose.JoseInvalid as error:
            raise AssertionRefused(error.public, client=client) from error
        try:
            replay_key, expires = check_claims(claims, client=client, issuer=self._issuer, now=now)
        except AssertionRefused as error:
            error.client = client
            raise
        attested = Attested(agent=AgentName(client), credential=key.thumbprint, method="private_key_jwt")
        return attested, ConsumeProof(replay_key, expires)

    def _verified(
        self, assertion: str, header: Mapping[str, Any], client: str, tries: int
    ) -> tuple[jose.PublicKey, Mapping[str, Any]]:
        """Try the client's keys: the one the header names, or each if it names none that is known."""
        registered = self._registered(client)
        algorithm = header.get("alg")
        decoy = self._decoys.get(algorithm) if isinstance(algorithm, str) else None
        if decoy is None:
            raise jose.JoseInvalid("the token's algorithm is not allowed")
        own = [each for each in registered.keys if each.algorithm == algorithm and _may_be(header, each, registered)]
        failure = jose.JoseInvalid("no such agent, or it has no keys")
        for candidate in (own + [decoy] * tries)[:tries]:
            try:
                _, claims = jose.verify(
                    assertion, typ=TYPES, algorithms=ALGORITHMS, key=_always(candidate), max_size=MAX_SIZE
                )
            except jose.JoseInvalid as error:
                failure = error
                continue
            if candidate is not decoy:
                return candidate, claims
        raise failure

    def _registered(self, client: str) -> _Registered:
        """The client's keys; imported once, or each refusal would take longer for every key that there is."""
        source = self._keys.client_keys(client)
        known = self._imported.get(client)
        if known is not None and known.source is source:
            return known
        keys = tuple(jose.public_key(jwk) for jwk in source)
        found = _Registered(source, keys, frozenset(name for key in keys for name in (key.kid, key.thumbprint)))
        if keys:  # of a name that is made up, nothing is kept
            self._imported[client] = found
            while len(self._imported) > _KEPT:
                self._imported.popitem(last=False)
        return found


def _always(key: jose.PublicKey) -> Callable[[object], jose.PublicKey]:
    return lambda _header: key


def _may_be(header: Mapping[str, Any], key: jose.PublicKey, registered: _Registered) -> bool:
    """Whether the header's kid (if it has one that names any registered key) names this key."""
    kid = header.get("kid")
    if not isinstance(kid, str):  # none, or what `verify` refuses for whatever key
        return True
    return kid not in registered.names or kid in (key.kid, key.thumbprint)
