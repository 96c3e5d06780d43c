"""Access tokens that Remit got elsewhere, kept until shortly before their end.

However many calls wait, one asks; and a token that an API refuses is asked for anew once, not by each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from remit.kernel.clock import SECOND, Clock, Instant, Micros
from remit.keys.secret import Secret

_EARLY: Final = 30 * SECOND  # before its end it is asked for anew
_AGAIN: Final = Micros(10 * SECOND)  # a token that young, refused, is not the API's last word on another
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Held:
    """A token as it is kept. `until`: it is used before that."""

    value: Secret
    got: Instant
    until: Instant

    @classmethod
    def of(cls, value: Secret, *, asked: Instant, seconds: int) -> Held:
        """One that was asked for at `asked` and lives for so many seconds; a short one is used for half of them."""
        life = seconds * SECOND
        return cls(value, asked, Instant(asked + max(life - _EARLY, life // 2)))


class HeldTokens(Generic[K]):
    """Tokens by what they are of. Belongs to one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[K, Held] = {}
        self._asking: dict[K, asyncio.Task[Held]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[Held]]) -> Held:
        """A token that is good now; `ask` gets one. Raises whatever `ask` raises."""
        held = self._held.get(key)
        if held is not None and self._clock.now() < held.until:
            return held
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.ensure_future(_asked(ask))
            self._asking[key] = asking
            asking.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(asking)  # a call that is cut must not take the token from the others

    def refused(self, key: K, held: object) -> bool:
        """An API did not take a token; whether another one is worth a try: not if this one had just been got."""
        known = self._held.get(key)
        if known is not held:
            return True  # somebody has asked meanwhile
        if known is not None and self._clock.now() - known.got < _AGAIN:
            return False
        self._held.pop(key, None)
        return True

    def forget(self, old: Callable[[K], bool]) -> None:
        """Forget those whose key is so."""
        for key in [each for each in self._held if old(each)]:
            del self._held[key]

    def _done(self, key: K, done: asyncio.Task[Held]) -> None:
        del self._asking[key]
        if not done.cancelled() and done.exception() is None:
            self._held[key] = done.result()


async def _asked(ask: Callable[[], Awaitable[Held]]) -> Held:
    return await ask()
