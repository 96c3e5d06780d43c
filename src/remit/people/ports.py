"""What people need of the rooms above, and of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from remit.kernel.names import OwnerName
from remit.people.change import Actor
from remit.storage.model import Entry
from remit.storage.ports import Transaction


class Records(Protocol):
    """Makes entries for the log (bound to audit's recorder)."""

    def entry(
        self,
        kind: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - the recorder's own name
        about: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Entry:
        """An entry of `kind` whose public header carries `fields`."""
        ...


class Suspender(Protocol):
    """Brings agents in line when the person who answers for them goes."""

    def owner_gone(self, tx: Transaction, owner: OwnerName, successor: OwnerName | None, *, by: Actor) -> None:
        """Give every agent of `owner` to `successor`; with none, suspend them. In the same transaction."""
        ...
