"""Seals what a transition left of an activation, so that nobody who only holds the database starts an entitlement.

    {"agent_version":...,"state":...,"by":...,"seal":HMAC-SHA-256 over [agent, purpose, action, scope, serial, body]}

The key is derived from the root key. What was seen of its use is not sealed: it changes with
every call, and can only make an entitlement that a transition started last longer or shorter.
"""

from __future__ import annotations

import hmac
from typing import Final

import msgspec

from remit.kernel.errors import IntegrityFailed
from remit.storage.effects import RowKey

LABEL: Final = "access/activations"  # what the key is derived for
MEMBER: Final = ',"seal":"'
_CHARACTERS: Final = 32  # of the MAC in hex: 128 bits
_encode = msgspec.json.Encoder().encode


class Unsealed:
    """Rows as they are: for what has no keys (tests, a writer in memory)."""

    def close(self, key: RowKey, serial: int, body: str) -> str:  # noqa: ARG002 - as ActivationSeal
        """The body as it is stored."""
        return body

    def check(self, key: RowKey, serial: int, stored: str) -> None:
        """Nothing is wrong."""


class ActivationSeal(Unsealed):
    """Rows sealed under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def close(self, key: RowKey, serial: int, body: str) -> str:
        """The body as it is stored: a JSON object whose last member is the seal."""
        return f'{body[:-1]}{MEMBER}{self._mac(key, serial, body)}"}}'

    def check(self, key: RowKey, serial: int, stored: str) -> None:
        """See that a stored body was made here, for this key and serial.

        Raises:
            IntegrityFailed: It was not.
        """
        body, member, rest = stored.rpartition(MEMBER)
        if not member or not hmac.compare_digest(rest.encode(), f'{self._mac(key, serial, body + "}")}"}}'.encode()):
            raise IntegrityFailed(
                f"the entitlement of {key[0]} to {key[2]} is not as it was recorded",
                try_="remit audit verify, then remit up --accept-state if this is how it should be",
            )

    def _mac(self, key: RowKey, serial: int, body: str) -> str:
        return hmac.digest(self._key, _encode([*key, serial, body]), "sha256").hex()[:_CHARACTERS]


UNSEALED: Final = Unsealed()
