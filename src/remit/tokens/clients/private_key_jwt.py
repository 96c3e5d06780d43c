"""`private_key_jwt`: an assertion signed with a key that the agent registered (RFC 7523 section 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remit.attestation.assertion import AssertionRefused
from remit.attestation.service import PrivateKeyJwt
from remit.kernel.clock import Instant
from remit.tokens.clients.ports import Client, ClientMethod
from remit.tokens.form import one
from remit.tokens.model import Asked, OAuthError, TokenRefused

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
METHOD: Final = "private_key_jwt"


@dataclass(frozen=True, slots=True)
class SignedAssertion:
    """Implements `clients.ports.ClientMethod`."""

    clients: PrivateKeyJwt
    name: str = METHOD
    others: tuple[ClientMethod, ...] = ()  # that know an assertion of this type by its issuer, which is no agent

    def used(self, asked: Asked) -> bool:
        """An assertion of this type was sent, and it is not a trusted issuer's."""
        sent = one(asked.form, "client_assertion_type") == ASSERTION_TYPE and "client_assertion" in asked.form
        return sent and not any(each.used(asked) for each in self.others)

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Whose key signed it."""
        return self._signed(asked, lambda assertion: self.clients.authenticate(assertion, now=now))

    def at_once(self, asked: Asked, *, now: Instant) -> Client:
        """The same, with one signature verified and no more: for the event loop. If refused, ask `authenticate`."""
        return self._signed(asked, lambda assertion: self.clients.authenticate(assertion, now=now, tries=1))

    def _signed(self, asked: Asked, whose: Callable[[str], Client]) -> Client:
        try:
            return whose(one(asked.form, "client_assertion") or "")
        except AssertionRefused as error:
            raise TokenRefused(OAuthError.INVALID_CLIENT, error.public, reason=error.reason) from error
