"""One key at two places at once: noticed at the token endpoint, the second place refused, the owner told.

What a node saw is in its memory and nowhere else: it costs no query, and a call is never held up by it. What was
found is durable: a signal about the agent, an incident in the log, a notice, and the revoked tokens.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from remit.agents.signals import Signal, own
from remit.kernel.canonical import canonical
from remit.kernel.clock import MINUTE, Instant, rfc3339
from remit.kernel.names import AgentName
from remit.people.change import Actor
from remit.people.notices import SqlNotices
from remit.storage.ports import Transaction, Writer
from remit.tokens.model import TOKEN_LIFETIME, Granted, OAuthError, TokenRefused, Wish
from remit.tokens.ports import Records
from remit.tokens.resources import same
from remit.tokens.revoked import revoke, topic
from remit.tokens.whereabouts import (
    HELD,
    IPV6,
    Networks,
    Sighting,
    Trail,
    after,
    at_two_places,
    comparable,
    first,
    lives,
    place,
    second,
)

K = TypeVar("K")
V = TypeVar("V")

REASON: Final = "instance_conflict"
_REMIT: Final = Actor(by="remit")
_MOST: Final = 65_536  # keys and what they were used for
_MOST_HELD: Final = 1_024
_MOST_HAD: Final = 256  # live tokens of one copy
_SLACK: Final = MINUTE  # nodes' clocks may differ


class Signaller(Protocol):
    """Keeps what was noticed about agents (bound to the agents room)."""

    def signal_within(
        self, tx: Transaction, name: str, signal: object, *, about: str = "", on: bool = True, by: Actor
    ) -> object:
        """Say that something was noticed about an agent; what is so already stays so."""
        ...


class _Held(NamedTuple):
    """Where a key is, for as long as it goes on there."""

    home: str
    until: Instant


_Use = tuple[str, ...]  # the key, and what it was used for


class Elsewhere:
    """Where the running copies' keys are used from. Any thread.

    Args:
        writer: Where what was found is written.
        records: Makes its entries.
        signaller: Who is told that something was noticed about an agent.
        together: Networks that are one place each.
    """

    def __init__(self, *, writer: Writer, records: Records, signaller: Signaller, together: Networks = ()) -> None:
        self._writer = writer
        self._records = records
        self._signaller = signaller
        self._together = together
        self._lock = threading.Lock()
        self._trails: OrderedDict[_Use, Trail] = OrderedDict()
        self._had: OrderedDict[str, deque[Sighting]] = OrderedDict()
        self._homes: OrderedDict[tuple[str, bool], Sighting] = OrderedDict()
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def stays(self, wish: Wish, address: str) -> bool:
        """Whether a request comes from where the last one came: then `check` has nothing to say. Never waits."""
        key, where = _key(wish), place(address, together=self._together)
        if key is None or not where:
            return True
        with self._lock:
            trail = self._trails.get(_use(key, wish))
            return key not in self._held and (trail is None or trail.last.place == where)

    def check(self, wish: Wish, address: str, *, now: Instant) -> None:
        """See that the key is not in use elsewhere. What is found for the first time is written down.

        Raises:
            TokenRefused: unauthorized_client: it is, and this is not where it was first.
            StorageUnavailable: It is, and that could not be written down.
        """
        key, where = _key(wish), place(address, together=self._together)
        if key is None or not where:
            return
        with self._lock:
            held = self._holder(key, now)
            trail = after(self._trails.get(_use(key, wish)), Sighting(where, now))
            home = self._home(key, trail, now) if held is None else held.home
            new = held is None and at_two_places(trail)
            taken = second(self._had.get(key, ()), home=home, now=now) if new else []
            if new:
                self._hold(key, _Held(home, Instant(now + HELD)))
        if new:
            self._find(key, wish, trail, taken, now)
        if (new or held is not None) and where != home and comparable(where, home):
            raise TokenRefused(
                OAuthError.UNAUTHORIZED_CLIENT,
                "the key of this running copy is in use elsewhere; each copy has a key of its own",
                reason=REASON,
            )

    def seen(self, granted: Granted, address: str, *, now: Instant) -> None:
        """A token was had. Only what came to one is remembered: a stolen request moves nobody."""
        key, where = _key(granted.wish), place(address, together=self._together)
        if key is None or not where:
            return
        with self._lock:
            use = _use(key, granted.wish)
            sighting = Sighting(where, now, granted.token)
            _put(self._trails, use, after(self._trails.get(use), sighting))
            _put(self._had, key, _with(self._had.get(key), sighting))
            while not lives(next(iter(self._had.values()))[-1], now):  # its newest token: all of that copy's are over
                self._had.popitem(last=False)
            at = (key, IPV6 in where)
            _put(self._homes, at, first(self._homes.get(at), sighting))
            held = self._holder(key, now)
            if held is not None and held.home == where:
                self._hold(key, _Held(where, Instant(now + HELD)))

    def _home(self, key: str, trail: Trail, now: Instant) -> str:
        """Where the key was first, for whatever: a thief who asks first for one thing makes nobody else the second."""
        known = self._homes.get((key, IPV6 in trail.last.place))
        return known.place if known is not None and known.at > now - HELD and trail.knows(known.place) else trail.home

    def _holder(self, key: str, now: Instant) -> _Held | None:
        held = self._held.get(key)
        if held is not None and held.until <= now:
            del self._held[key]
            return None
        return held

    def _hold(self, key: str, held: _Held) -> None:
        self._held[key] = held
        self._held.move_to_end(key)
        if len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)

    def _find(self, key: str, wish: Wish, trail: Trail, taken: Sequence[Sighting], now: Instant) -> None:
        try:
            self._writer.change(self._written(wish, trail, taken, now))
        except BaseException:
            with self._lock:
                self._held.pop(key, None)  # it is found again with the next request
            raise

    def _written(
        self, wish: Wish, trail: Trail, taken: Sequence[Sighting], now: Instant
    ) -> Callable[[Transaction], None]:
        agent, instance = wish.agent.agent, wish.instance

        def apply(tx: Transaction) -> None:
            ends = Instant(now + TOKEN_LIFETIME + _SLACK)
            gone = [each for each in taken if revoke(tx.connection, each.token, agent=agent, expires=ends)]
            tx.touch(*(topic(each.token) for each in gone))
            about = own(instance)
            self._signaller.signal_within(tx, agent, Signal.INSTANCE_CONFLICT, about=about, by=_REMIT)
            SqlNotices(tx.connection).put(agent, _notice(instance, now))
            said: dict[str, Any] = {
                "what": REASON,
                "agent": agent,
                "instance": instance,
                "purpose": wish.purpose.purpose,
            }
            # Where somebody was is a matter for whoever looks into it: sealed, and erased with the agent's key.
            places = [{"place": trail.home}, *(_told(move.to) for move in trail.moves)]
            sealed = {"places": places, "tokens": [_told(each) for each in gone]}
            said["tokens"] = sorted(each.token for each in gone)
            tx.record(self._records.entry("incident", said, about=f"agent:{agent}", payload=sealed))

        return apply


def _put(kept: OrderedDict[K, V], key: K, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MOST:
        kept.popitem(last=False)


def _with(had: deque[Sighting] | None, sighting: Sighting) -> deque[Sighting]:
    """The tokens that a key had and that may live, and one more. Who has very many pushes out its own and no others."""
    found = deque[Sighting]() if had is None else had
    while found and not lives(found[0], sighting.at):
        found.popleft()
    if len(found) >= _MOST_HAD:
        found.remove(next((each for each in found if each.place == sighting.place), found[0]))
    found.append(sighting)
    return found


def _told(sighting: Sighting) -> dict[str, Any]:
    return {"place": sighting.place, "at": rfc3339(sighting.at)} | (
        {"token": sighting.token} if sighting.token else {"refused": True}
    )


def _notice(instance: str, now: Instant) -> str:
    said = {"what": "noticed", "reason": REASON, "instance": instance, "at": rfc3339(now)}
    return canonical(said).decode("utf-8")


def _key(wish: Wish) -> str | None:
    """What tells this copy from others. One that proves no key has none of its own.

    Of its agent: what another agent does with the same key says nothing of this one's, and takes nothing from it.
    """
    key = wish.jkt or wish.x5t
    return None if key is None else f"{wish.agent.agent} {key}"


def _use(key: str, wish: Wish) -> _Use:
    """What a key was used for: one copy needs no second token for the same while its first one is fresh."""
    agent: AgentName = wish.agent.agent
    above = (wish.links[-1].run, wish.txn) if wish.links else ()
    behalf = () if wish.behalf is None else (wish.behalf.consent,)
    return (key, agent, wish.purpose.purpose, *same(wish.audience), *above, *behalf)


class Unwatched:
    """Stands in for `Elsewhere` where no address is known or wanted."""

    def stays(self, _wish: Wish, _address: str) -> bool:
        """Always."""
        return True

    def check(self, _wish: Wish, _address: str, *, now: Instant) -> None:
        """Nothing."""

    def seen(self, _granted: Granted, _address: str, *, now: Instant) -> None:
        """Nothing."""
