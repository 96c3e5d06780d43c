"""Who answers for an owner's agents when the owner goes. Pure."""

from __future__ import annotations

from collections.abc import Callable

from remit.kernel.names import OwnerName
from remit.people.model import Owner


def successor(owner: Owner, find: Callable[[OwnerName], Owner | None]) -> OwnerName | None:
    """The first backup who is active; None where there is none, and the agents have nobody."""
    for name in owner.backup:
        backup = find(name)
        if backup is not None and backup.active and name != owner.owner:
            return name
    return None


def answers_for(person: str, owner: Owner | None, find: Callable[[OwnerName], Owner | None]) -> bool:
    """Whether `person` is this active owner, or one of the owner's backups, and active."""
    if owner is None or (person != owner.owner and person not in owner.backup):
        return False
    found = find(OwnerName(person))
    return found is not None and found.active


def stand_ins(owner: Owner | None, find: Callable[[OwnerName], Owner | None]) -> tuple[OwnerName, ...]:
    """The backups who may act in the owner's place now, in their order."""
    named = () if owner is None else owner.backup
    return tuple(name for name in named if owner is not None and name != owner.owner and answers_for(name, owner, find))
