"""`client_credentials`: an agent asks for itself (RFC 6749 section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.attestation.model import Attested
from remit.kernel.clock import Instant
from remit.storage.ports import Transaction
from remit.tokens import checks
from remit.tokens.model import Asked, Granted, Wish
from remit.tokens.ports import Standing

TYPE: Final = "client_credentials"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Implements `grants.ports.Grant`."""

    standing: Standing
    base: str  # this deployment's own URL
    type: str = TYPE
    methods: frozenset[str] = frozenset(
        {
            "private_key_jwt", "local_process", "oidc", "jwt_svid", "tls_client_auth", "self_signed_tls_client_auth",
            "client_secret_basic", "client_secret_post",
        }
    )  # fmt: skip

    def wish(self, asked: Asked, attested: Attested, *, jkt: str | None, now: Instant) -> Wish:
        """All checks that follow authentication."""
        standing = self.standing.agent_standing(attested.agent, now)
        return checks.wish(
            asked.form, attested=attested, jkt=jkt, standing=standing, base=self.base, now=now,
            certificate=asked.certificate,
        )  # fmt: skip

    def settle(self, tx: Transaction, asked: Asked, granted: Granted, *, now: Instant) -> Mapping[str, Any]:  # noqa: ARG002 - the port
        """Nothing: the run and the instance are every token's."""
        return {}
