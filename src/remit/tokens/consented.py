"""What a person's consent turns into: a code, then refresh tokens of one family (values)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remit.kernel.clock import DAY, SECOND, Instant
from remit.kernel.names import AgentName, OwnerName, PurposeName
from remit.keys.base64url import digest

CODE_LIFETIME: Final = 60 * SECOND
REFRESH_IDLE: Final = 30 * DAY  # a refresh token that was not used for this long is over
REFRESH_PREFIX: Final = "rmr_"
CODE_PREFIX: Final = "rmc_"


class RefreshState(StrEnum):
    """Live, used once (and never again), or revoked."""

    LIVE = "live"
    USED = "used"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was consented to, as the code and each refresh token carry it."""

    consent: str
    person: OwnerName
    client: str  # its client_id
    signs: bool  # it authenticates with a key of its document; else its proof is PKCE, and the token itself
    renews: bool  # it gets refresh tokens
    agent: AgentName
    credential: str  # the binding that let it in, as tokens name it
    purpose: PurposeName
    resources: tuple[str, ...]
    until: Instant  # the consent's end, as it was when this was issued
    jkt: str | None = None  # the key that it is bound to (RFC 9449 sections 5 and 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An authorization code. `code` is its hash: the code itself is nowhere."""

    code: str
    given: Given
    redirect_uri: str
    challenge: str  # base64url SHA-256 of the verifier (RFC 7636)
    expires: Instant
    used: str = ""  # the family that it began

    @property
    def family(self) -> str:
        """The family that this code begins, or began; like a key's thumbprint, so that it can be frozen as one."""
        return digest(f"remit family {self.code}".encode("ascii"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """A refresh token, by its hash, and the access token that was issued beside it."""

    token: str
    family: str
    given: Given
    state: RefreshState
    expires: Instant
    access: str  # jti
    access_ends: Instant


def hashed(secret: str) -> str:
    """What is stored of a code or refresh token. It has 256 random bits, so a plain hash cannot be guessed from."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
