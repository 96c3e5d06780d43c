"""What `apply` would no longer enforce: servers that come under `mode: observe`, which takes two people. Pure.

On such a server nothing is refused for a boundary's or a policy's sake. So one that is new in observe, and one in
observe that leads to another place or carries another secret, widens as much as one that was enforced.
Until the second person agrees the server is enforced, whatever the document says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from remit.catalog.model import Server
from remit.catalog.sql import body
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.server.two_people import Word, seconded

WAITS = "waiting_for_second_person"


def lets_go(before: Server | None, said: Server) -> bool:
    """Whether what is refused now would be let through by a document of a server."""
    if not said.observed:
        return False
    return before is None or not before.observed or before.place != said.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The servers that one apply would no longer enforce. `first` is the word that it seconds; None while it waits."""

    about: str
    servers: tuple[str, ...]
    first: Word | None = None

    @property
    def waits(self) -> bool:
        """Whether another person must say so too."""
        return self.first is None


def observed(servers: Sequence[Server], *, person: str, counts: bool, first: Word | None, now: Instant) -> Observed:
    """What the two must agree on: these servers, as their documents describe them."""
    names = tuple(sorted(server.server for server in servers))
    about = hashlib.sha256(canonical(sorted(body(server) for server in servers))).hexdigest()
    agreed = counts and seconded(first, person=person, about=about, now=now)
    return Observed(about=about, servers=names, first=first if agreed else None)


def note(person: str, *, counts: bool) -> str:
    """What people are told of a server that stays enforced meanwhile."""
    if not counts:
        return (
            f"observe waits for a second person, and the word of {person}'s token does not count until an hour after it"
            " was issued; until then it is enforced"
        )
    return (
        f"observe waits for a second person: another than {person} must apply the same within an hour;"
        " until then it is enforced"
    )
