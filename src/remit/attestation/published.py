"""What issuers publish: discovery documents, key sets and trust bundles, read over `outbound`.

OpenID Connect Discovery section 4, and SPIFFE Trust Domain and Bundle section 4 (`https_web`: the endpoint is
authenticated by its certificate, and asks for none).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from remit.attestation.ports import Loaded
from remit.attestation.trust import SPIFFE, Trust
from remit.kernel.canonical import parse
from remit.kernel.clock import SECOND
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.keys.foreign import key_set
from remit.outbound.fetch import Fetch

DISCOVERY: Final = "/.well-known/openid-configuration"
_MOST_HINT: Final = 10**9


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """Implements `attestation.ports.Load`."""

    fetch: Fetch

    def __call__(self, trust: Trust) -> Loaded:
        """Read the trust's keys from where its operator said, or from where its issuer says."""
        url = trust.jwks_url or self._discovered(trust)
        said = self._object(url, trust)
        if trust.preset != SPIFFE:
            return Loaded(key_set(said))
        hint = _whole(said, "spiffe_refresh_hint")
        return Loaded(
            key_set(said, use="jwt-svid"),
            sequence=_whole(said, "spiffe_sequence"),
            refresh=None if hint is None else hint * SECOND,
        )

    def _discovered(self, trust: Trust) -> str:
        said = self._object(trust.issuer.removesuffix("/") + DISCOVERY, trust)
        # Section 4.3: a document that names another issuer would lend it this one's name.
        if said.get("issuer") != trust.issuer:
            raise ConfigInvalid("the discovery document is another issuer's")
        url = said.get("jwks_uri")
        if not isinstance(url, str):
            raise ConfigInvalid("the discovery document names no jwks_uri")
        return url

    def _object(self, url: str, trust: Trust) -> dict[str, Any]:
        try:
            said = parse(self.fetch.get(url, own=trust.endpoints).body)
        except Malformed as error:
            raise ConfigInvalid("what the issuer publishes is not strict JSON", detail=url[:200]) from error
        if not isinstance(said, dict):
            raise ConfigInvalid("what the issuer publishes is no object", detail=url[:200])
        return said


def _whole(said: dict[str, Any], name: str) -> int | None:
    value = said.get(name)
    return value if type(value) is int and 0 <= value < _MOST_HINT else None
