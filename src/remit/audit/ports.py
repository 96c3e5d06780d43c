"""What the log needs from the rooms below."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection


class SigningLogKey(Protocol):
    """The Ed25519 key that signs checkpoints."""

    @property
    def origin(self) -> str:
        """The log's name: `remit/` and the deployment id."""
        ...

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        ...


class Keys(Protocol):
    """The part of the key ring that the log uses."""

    @property
    def log_key(self) -> SigningLogKey:
        """The key that signs checkpoints."""
        ...

    def derive(self, label: str) -> bytes:
        """A 32-byte key for one use."""
        ...

    def data_key(self, owner: str) -> bytes:
        """The key that seals what is about `owner`; NotFound if there is none."""
        ...

    def load_data_key(self, connection: Connection, owner: str) -> bytes:
        """The same, read anew; NotFound if there is none or it was erased."""
        ...

    def erased(self, connection: Connection, owner: str) -> bool:
        """Whether a data key of the owner was ever erased."""
        ...
