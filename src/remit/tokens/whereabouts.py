"""Where a key is used from, and when that is two places at once (pure).

A running copy that moves takes its token with it: it asks again when that one ends, and does not go back and forth.
Two copies of one key ask each for itself, so what one of them just had the other asks for again, from elsewhere, and
then the first one again. That is what is looked for; an address that is merely another one says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from remit.kernel.clock import MINUTE, Instant
from remit.tokens.model import RUN_IDLE, TOKEN_LIFETIME

# Published in docs/how-to/tell-copies-apart.md.
WINDOW: Final = 15 * MINUTE  # moves that are older say nothing any more
FRESH: Final = TOKEN_LIFETIME // 2  # after so long without it nobody needs another token for the same
LEAST_FRESH: Final = 2  # moves within that time
HELD: Final = RUN_IDLE  # so long after its last token the first place is still where the key is
IPV6: Final = ":"  # what tells a place of that family
HERE: Final = "this machine"  # over the local socket, or from a loopback address
_MOST: Final = 16  # moves that are remembered
_PREFIX: Final = 64  # bits of an IPv6 address that name one place: a machine changes the rest by itself

Networks = tuple[IPv4Network | IPv6Network, ...]


class Sighting(NamedTuple):
    """A key was used: from where, when, and which token was had."""

    place: str
    at: Instant
    token: str = ""


class Move(NamedTuple):
    """The same was asked for from another place than last time."""

    origin: str
    to: Sighting
    fresh: bool  # although the token that was had there was still fresh


class Trail(NamedTuple):
    """Where one key was used for one thing."""

    last: Sighting
    moves: tuple[Move, ...] = ()

    @property
    def home(self) -> str:
        """Where it was before the first of its moves."""
        return self.moves[0].origin if self.moves else self.last.place

    def knows(self, place: str) -> bool:
        """Whether it was there."""
        return place in (self.home, self.last.place, *(move.to.place for move in self.moves))


@lru_cache(maxsize=4096)  # the same few come again and again
def place(address: str, *, together: Networks = ()) -> str:
    """What an address is as a place; "" if it says nothing.

    Args:
        address: As the connection or a trusted proxy said it, or `HERE`.
        together: Networks that are one place each, such as the addresses of one NAT.
    """
    if address == HERE:
        return HERE
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_loopback:
        return HERE
    named = next((str(each) for each in together if found in each), "")
    if named or found.version == 4:  # noqa: PLR2004 - the protocol's own number
        return named or str(found)
    return str(ip_network((found, _PREFIX), strict=False))


def comparable(one: str, other: str) -> bool:
    """Whether two places can be told apart: a machine has an address of each family and may use both at once."""
    return HERE in (one, other) or (IPV6 in one) == (IPV6 in other)


def after(trail: Trail | None, sighting: Sighting) -> Trail:
    """What is known after one more use. Uses come in the order of time; an earlier one moves no clock back."""
    if trail is None:
        return Trail(sighting)
    # Whatever this use is: moves that stayed would be found again and again, with nobody elsewhere any more.
    kept = tuple(move for move in trail.moves if move.to.at > sighting.at - WINDOW)
    if not comparable(trail.last.place, sighting.place):
        # Else whoever came first, and by the other family, would keep this one from ever being looked at.
        return Trail(trail.last if lives(trail.last, sighting.at) else sighting, kept)
    if trail.last.place == sighting.place:
        return Trail(sighting if sighting.at >= trail.last.at else trail.last, kept)
    move = Move(trail.last.place, sighting, fresh=sighting.at - trail.last.at < FRESH)
    return Trail(sighting, (*kept, move)[-_MOST:])


def at_two_places(trail: Trail) -> bool:
    """Whether the key is in use at two places at once: each was come back to, and for what the other just had."""
    visited = (trail.home, *(move.to.place for move in trail.moves))
    fresh = sum(move.fresh for move in trail.moves)
    return fresh >= LEAST_FRESH and any(_crossed(visited, one, visited[-1]) for one in set(visited[:-1]))


def _crossed(visited: Iterable[str], one: str, other: str) -> bool:
    """Whether `one`, `other`, `one`, `other` came in this order, whatever else came between."""
    if one == other:
        return False
    wanted = [other, one, other, one]
    for each in visited:
        if wanted and each == wanted[-1]:
            wanted.pop()
    return not wanted


def first(known: Sighting | None, sighting: Sighting) -> Sighting:
    """Where a key is at home after one more use: where it was first, as long as it goes on there."""
    if known is None or known.place == sighting.place or known.at <= sighting.at - HELD:
        return sighting
    return known


def second(had: Iterable[Sighting], *, home: str, now: Instant) -> list[Sighting]:
    """Of the tokens that a key had, for whatever: those that may live and were had at another place than the first."""
    live = (each for each in had if lives(each, now))
    return [each for each in live if each.place != home and comparable(each.place, home)]


def lives(sighting: Sighting, now: int) -> bool:
    """Whether the token that was had then may live still."""
    return sighting.at > now - TOKEN_LIFETIME
