"""What the key ring needs: something outside the database that seals its root key."""

from __future__ import annotations

from typing import Protocol


class Provider(Protocol):
    """Holds a key the database does not have: a keyfile, a KMS, a hardware module."""

    def wrap(self, plaintext: bytes, *, aad: bytes) -> bytes:
        """Seal `plaintext`, tied to `aad`."""
        ...

    def unwrap(self, wrapped: bytes, *, aad: bytes) -> bytes:
        """Open what `wrap` made.

        Raises:
            KeyfileWrong: Another key made it, or it is damaged.
        """
        ...
