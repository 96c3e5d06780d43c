"""What freezes ask of the rooms above."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import Connection


class SecretNames(Protocol):
    """Which upstream credentials there are (bound to the vault)."""

    def names(self, connection: Connection) -> Collection[str]:
        """The names of all secrets, never their values."""
        ...
