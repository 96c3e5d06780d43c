"""How many requests one turn of the event loop begins: what must not wait behind them, comes between them.

Requests that come together are all read in one turn, and would all be decided in the next one: a hundred decisions, in
which no refusal is written and no freeze is heard. Who waits here has its place in a lane, which bounds how many do.
Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """First come, first served.

    Args:
        most: So many begin in one turn.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = 0  # in this turn
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def next(self) -> None:
        """Returns when it is the caller's turn."""
        if self._begun < self._most and not self._waiting:
            self._begin()
            return
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _begin(self) -> None:
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._turn)
        self._begun += 1

    def _turn(self) -> None:
        self._begun = 0
        while self._waiting and self._begun < self._most:
            first = self._waiting.popleft()
            if not first.done():  # whose task was cancelled
                first.set_result(None)
                self._begin()
