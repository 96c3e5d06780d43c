"""JWT-SVIDs: a SPIFFE trust domain says which workload this is (pure). SPIFFE JWT-SVID, sections 2 to 4."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.attestation.assertion import AssertionRefused
from remit.attestation.oidc import Word, verified, within, word
from remit.attestation.ports import Bound
from remit.attestation.trust import Trust
from remit.kernel.clock import Instant
from remit.keys.foreign import KeySet

TYPES: Final = ("", "jwt", "jose")  # section 2.3
_ID: Final = re.compile(r"spiffe://([a-z0-9._-]{1,255})((?:/[a-zA-Z0-9._-]+)+)\Z")
_MOST_ID: Final = 2048


def domain_of(spiffe_id: object) -> str | None:
    """The trust domain of a workload's SPIFFE ID (SPIFFE-ID section 2); None if it is none."""
    if not isinstance(spiffe_id, str) or len(spiffe_id) > _MOST_ID:
        return None
    found = _ID.match(spiffe_id)
    if found is None or any(part in {".", ".."} for part in found[2].split("/")):
        return None
    return found[1]


def attest(
    token: str, *, trust: Trust, keys: KeySet, bound: Sequence[Bound], issuer: str, now: Instant
) -> Word:  # fmt: skip
    """Find out through which of `bound` a JWT-SVID lets its bearer in; arguments as of `oidc.attest`,
    and `issuer`: this authorization server's identifier.

    Raises:
        AssertionRefused: One of the numbered steps fails.
    """
    # (1) Signature, type, algorithm: by the bundle of this trust domain and of no other.
    claims: Mapping[str, Any] = verified(token, trust=trust, keys=keys, types=TYPES)
    # (2) The subject is a SPIFFE ID of that domain. An issuer is not asked for; one that is named is not believed.
    if domain_of(claims.get("sub")) != trust.trust:
        raise AssertionRefused("sub is no SPIFFE ID of the trust domain")
    # (3) The audience: this authorization server's identifier and nothing else.
    if claims.get("aud") not in (issuer, [issuer]):
        raise AssertionRefused("aud is not this issuer alone")
    # (4) The time. (5) Single use. (6) The agent's own id.
    ends = within(claims, trust=trust, now=now, issued=False)
    return word(token, claims, trust=trust, bound=bound, ends=ends)
