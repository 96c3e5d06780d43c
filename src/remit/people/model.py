"""Owners: the accountable people."""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.names import OwnerName


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A person who answers for agents, with the people who stand in, in order."""

    owner: OwnerName
    name: str
    email: str
    backup: tuple[OwnerName, ...] = ()
    active: bool = True
