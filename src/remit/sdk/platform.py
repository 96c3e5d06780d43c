"""The word of the platform that a copy runs on, in place of a key: Kubernetes, a cloud, a CI system, SPIFFE.

AgentAuth(url, "invoice-bot", platform.token_file("/var/run/secrets/remit/token"), "pay-invoices")
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JWT_SPIFFE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
_MOST: Final = 16_384  # characters


class PlatformTokenInvalid(ValueError):
    """What was read is no token."""


@dataclass(frozen=True, slots=True)
class PlatformToken:
    """Reads the platform's newest token for this workload, whose audience is Remit: once for each token request.

    `read` may wait, but not for long: an event loop waits with it.
    """

    read: Callable[[], str]

    def shown(self) -> tuple[str, str]:
        """The type of assertion (RFC 7521 section 4.2), and the token.

        Raises:
            PlatformTokenInvalid: There is no compact JWT.
            OSError: It cannot be read.
        """
        token = self.read().strip()
        return _JWT_SPIFFE if _subject(token).startswith("spiffe://") else _JWT_BEARER, token


def token_file(path: str | os.PathLike[str]) -> PlatformToken:
    """The token in a file that the platform keeps fresh: a projected volume, `AZURE_FEDERATED_TOKEN_FILE`,
    `AWS_WEB_IDENTITY_TOKEN_FILE`, what a SPIFFE helper writes.
    """
    file = Path(path)
    return PlatformToken(lambda: file.read_text(encoding="ascii", errors="replace"))


def _subject(token: str) -> str:
    """Whom the token is about, for choosing how to show it; it is Remit that verifies it."""
    parts = token.split(".") if len(token) <= _MOST else []
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return str(claims["sub"])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise PlatformTokenInvalid("the platform's token is no compact JWT with a sub") from error
