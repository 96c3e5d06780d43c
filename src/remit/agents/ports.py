"""What agents need of other rooms."""

from __future__ import annotations

from typing import Protocol

from remit.storage.ports import Transaction


class DataKeys(Protocol):
    """Makes the key that seals what is recorded about an agent (bound to the key ring)."""

    def ensure_data_key(self, tx: Transaction, owner: str) -> object:
        """Make the data key of `owner` (`agent:NAME`) within the change, unless there is one."""
        ...

    def erase_data_key(self, tx: Transaction, owner: str) -> None:
        """Erase it for ever, within the change."""
        ...
