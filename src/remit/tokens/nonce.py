"""Nonces for proofs (RFC 9449 sections 8 and 9): what shows that a proof was made just now, and not ahead of time.

A proof says itself when it was made, so whoever has the key for a minute could make proofs for next year. A nonce
comes from here and cannot be known ahead. Nothing is stored: a nonce is a MAC over the number of the stretch of time
it was given out in, by a key that every node of the deployment derives alike. That a proof is used once is another
matter, and stays with its `jti`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remit.kernel.clock import MINUTE, SECOND, Instant
from remit.keys.base64url import encode

LABEL: Final = "tokens/dpop-nonce"
"""What its key is derived from the root key by."""
# As long as a token lives: who renews with the nonce of its last answer need not ask twice.
BUCKET: Final = 5 * MINUTE
_AHEAD: Final = 60 * SECOND  # how far the clock of the node that gave it out may be before ours
_SIZE: Final = 16  # bytes: 128 bits cannot be guessed in the minutes that one is good for


class NonceUse(StrEnum):
    """Where a proof must carry a nonce."""

    OFF = "off"
    TOKEN = "token"  # noqa: S105 - a place
    BOTH = "both"  # at the token endpoint and at resources


def nonce(key: bytes, at: Instant) -> str:
    """The nonce that is given out at `at`: the same for all within its `BUCKET`."""
    return _mac(key, at // BUCKET)


def is_fresh(key: bytes, presented: object, *, now: Instant) -> bool:
    """Whether `presented` was given out within this bucket or the one before, by whichever node.

    So it is good for at least `BUCKET` and less than twice that.
    """
    if not isinstance(presented, str) or not presented.isascii():
        return False
    buckets = {now // BUCKET, (now - BUCKET) // BUCKET, (now + _AHEAD) // BUCKET}
    # All are compared, each in constant time: how long it takes tells nothing of a good one.
    return sum(hmac.compare_digest(_mac(key, bucket), presented) for bucket in buckets) > 0


def _mac(key: bytes, bucket: int) -> str:
    return encode(hmac.digest(key, bucket.to_bytes(8, "big"), "sha256")[:_SIZE])


@dataclass(frozen=True, slots=True)
class Nonces:
    """The nonces of one deployment, and where they are asked for.

    Args:
        key: 32 bytes, derived by `LABEL`.
        use: Where.
    """

    key: bytes
    use: NonceUse

    def current(self, now: Instant) -> str:
        """The newest one, for an answer's `DPoP-Nonce`."""
        return nonce(self.key, now)

    def at_token(self, now: Instant) -> Callable[[object], bool] | None:
        """What judges a proof's nonce at the token endpoint; None if none is asked for."""
        return None if self.use is NonceUse.OFF else self._fresh(now)

    def at_resource(self, now: Instant) -> Callable[[object], bool] | None:
        """What judges it at a resource; None if none is asked for."""
        return self._fresh(now) if self.use is NonceUse.BOTH else None

    def _fresh(self, now: Instant) -> Callable[[object], bool]:
        return lambda presented: is_fresh(self.key, presented, now=now)

    def __repr__(self) -> str:
        return f"Nonces({self.use.value})"  # the key is a secret
