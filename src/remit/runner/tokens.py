"""The run's access token: renewed ahead of its end, by one request at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from remit.kernel.errors import RemitError
from remit.runner.model import Issued

_LONGEST_SLEEP: Final = 15.0  # asyncio's clock stands still while the machine sleeps, and ours does not
_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 30.0


def boot_seconds() -> float:
    """Seconds of a clock that never goes back and, where there is one, counts suspend."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class Tokens:
    """Holds one token.

    Args:
        first: The token that the run began with.
        ask: Gets a new one, or raises RemitError.
        now: The clock of `Issued`.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        first: Issued,
        ask: Callable[[], Awaitable[Issued]],
        *,
        now: Callable[[], float] = boot_seconds,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.current = first
        self._ask = ask
        self._now = now
        self._sleep = sleep
        self._one = asyncio.Lock()

    async def usable(self) -> Issued:
        """A token that has not ended.

        Raises:
            RemitError: There is none any more, and the server gives no other.
        """
        token = self.current
        return token if self._now() < token.expires else await self.renewed(token)

    async def renewed(self, old: Issued) -> Issued:
        """A newer token than `old`.

        Raises:
            RemitError: The server gives none.
        """
        async with self._one:
            if self.current is old:
                self.current = await self._ask()
            return self.current

    async def keep(self) -> None:
        """Renew ahead of the end, for ever. What fails is tried again: an agent may be resumed, a server restarted."""
        pause = _FIRST_RETRY
        while True:
            token = self.current
            left = token.due - self._now()
            if left > 0:
                await self._sleep(min(left, _LONGEST_SLEEP))
                continue
            try:
                await self.renewed(token)
                pause = _FIRST_RETRY
            except RemitError:
                await self._sleep(pause)
                pause = min(2 * pause, _LAST_RETRY)
