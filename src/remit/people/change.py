"""Who changed what: the person behind a change of state, and the entry that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from remit.storage.ports import Transaction

if TYPE_CHECKING:
    from remit.people.ports import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who calls: `by` is whose token it is; `as_` the person acted as (`--dev` only). The entry names both."""

    by: str
    as_: str | None = None

    @property
    def person(self) -> str:
        """Who answers for the change."""
        return self.as_ or self.by


def digest(body: str | None) -> str | None:
    """Hex SHA-256 of a stored body; None where there is none."""
    return None if body is None else hashlib.sha256(body.encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One change of state, for its entry: `before` and `after` are the stored bodies (None: does not exist)."""

    what: str
    name: str
    change: str  # create, update, approve, revoke, ...
    before: str | None
    after: str | None
    more: Mapping[str, Any] | None = None


def record(tx: Transaction, records: Records, changed: Changed, *, by: Actor) -> None:
    """Append the `change` entry that commits with the change itself."""
    fields: dict[str, Any] = {
        "what": changed.what,
        "name": changed.name,
        "change": changed.change,
        "by": by.by,
        "before": digest(changed.before),
        "after": digest(changed.after),
        **(changed.more or {}),
    }
    if by.as_ is not None:
        fields["as"] = by.as_
    tx.record(records.entry("change", fields))
