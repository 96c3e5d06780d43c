"""How a signing key comes, signs and goes. Pure.

    pending       published, signs nothing: until every verifier has it
    active        signs; there is one of each use
    verify_only   signs no more: until every token that it signed has expired
    retired       published no more, its private part wiped

The order is never reversed. Time moves a key one step at a time; people may skip steps: an emergency retires
every key of a use at once, and with them every token that they signed.

Two uses rotate, each by itself: `token` (access tokens and mandates) and `set` (security event tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from remit.kernel.clock import DAY, MINUTE, Instant

TOKEN: Final = "token"  # noqa: S105 - the use of a key, no secret
SET: Final = "set"
LOG: Final = "log"
ROTATING: Final = (TOKEN, SET)
USES: Final = (LOG, *ROTATING)


class KeyState(StrEnum):
    """Where a signing key is in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    VERIFY_ONLY = "verify_only"
    RETIRED = "retired"


_ORDER: Final = tuple(KeyState)
PUBLISHED: Final = _ORDER[:-1]  # what stands in the JWKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long a key stays in each state, in microseconds.

    `publish` covers a verifier's cached JWKS (it may be kept for 300 s), a node that hears of a change late (5 s) and
    clocks that differ. `linger` covers the longest life of what a key signs (a token and a mandate: 300 s), a node
    that signs with the old key until it hears of the new one, and clocks that differ.
    """

    every: int = 90 * DAY
    publish: int = 15 * MINUTE
    linger: int = 15 * MINUTE

    def __post_init__(self) -> None:
        if min(self.every, self.publish, self.linger) <= 0:
            raise ValueError("a key stays in each state for some time")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What is public about a signing key."""

    kid: str
    use: str
    algorithm: str
    state: KeyState
    created: Instant
    since: Instant  # when it came into its state
    distrusted: bool = False  # retired before its time: whoever has its private part may sign with it


@dataclass(frozen=True, slots=True)
class Move:
    """A key that comes into another state."""

    kid: str
    to: KeyState


def active(keys: Sequence[KeyRecord]) -> KeyRecord | None:
    """The key that signs, of keys of one use."""
    return next((key for key in keys if key.state is KeyState.ACTIVE), None)


def pending(keys: Sequence[KeyRecord]) -> KeyRecord | None:
    """The key that waits to sign, of keys of one use."""
    return next((key for key in keys if key.state is KeyState.PENDING), None)


def due(keys: Sequence[KeyRecord], schedule: Schedule, *, now: Instant) -> tuple[Move, ...]:
    """What time has brought about, in the order in which it is done, all of it at once.

    Args:
        keys: Every key of one use.
        schedule: How long a key stays in each state.
        now: The time to judge at.
    """
    moves = [
        Move(key.kid, KeyState.RETIRED)
        for key in keys
        if key.state is KeyState.VERIFY_ONLY and key.since + schedule.linger <= now
    ]
    coming = pending(keys)
    if coming is not None and coming.since + schedule.publish <= now:
        # The old one first: at no moment do two keys sign.
        if (signing := active(keys)) is not None:
            moves.append(Move(signing.kid, KeyState.VERIFY_ONLY))
        moves.append(Move(coming.kid, KeyState.ACTIVE))
    return tuple(moves)


def begins(keys: Sequence[KeyRecord], schedule: Schedule, *, now: Instant) -> bool:
    """Whether a rotation begins: none is pending, and the active key has signed for `schedule.every` or there is none.

    There is none where a use is newer than the database: its first key is made as any other.
    """
    signing = active(keys)
    return pending(keys) is None and (signing is None or signing.since + schedule.every <= now)


def born(keys: Sequence[KeyRecord]) -> KeyState:
    """The state in which a new key comes among these: where nothing signs it signs at once, for nobody waits for it."""
    return KeyState.ACTIVE if active(keys) is None else KeyState.PENDING


def emergency(keys: Sequence[KeyRecord]) -> tuple[Move, ...]:
    """Every key of the use is retired: what read one of them may have read all. Another one signs from then on."""
    return tuple(Move(key.kid, KeyState.RETIRED) for key in keys if key.state is not KeyState.RETIRED)


def moved(key: KeyRecord, to: KeyState, *, now: Instant, distrusted: bool = False) -> KeyRecord:
    """`key` in the state `to`.

    Args:
        key: As it is.
        to: A later state.
        now: The time it comes into it.
        distrusted: What it signed counts no more, whatever its state was.

    Raises:
        ValueError: That would reverse the order.
    """
    if _ORDER.index(to) <= _ORDER.index(key.state):
        raise ValueError(f"a key that is {key.state} does not become {to}")
    # A clock that went back must not make a state longer than it is.
    return replace(key, state=to, since=Instant(max(now, key.since)), distrusted=distrusted)


def all_gone(keys: Sequence[KeyRecord], at: Instant) -> bool:
    """Whether every key of one use that there was at that time has been retired since: what one signed then is dead."""
    return all(key.created > at for key in keys if key.state is not KeyState.RETIRED)
