"""Outcomes that may be recorded already, handed in again until it is known that they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from remit.enforcement.outcomes import Doubt, Waiting
from remit.storage.model import Work
from remit.storage.ports import Writer

RETRY_SECONDS: Final = 1.0
MAX_WAITING: Final = 100_000


class Doubts:
    """What ended in doubt (`InDoubt`). Belongs to the pipeline's event loop.

    Args:
        writer: Records them.
        keep: Told of each attempt, so that it is waited for at the end.
        closed: Told of what is recorded.
    """

    def __init__(
        self, writer: Writer, *, keep: Callable[[asyncio.Future[Any]], None], closed: Callable[[list[Waiting]], None]
    ) -> None:
        self._writer = writer
        self._keep = keep
        self._closed = closed
        self._waiting: list[Doubt] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, doubts: Iterable[Doubt]) -> None:
        """Settle these in a while."""
        self._waiting = [*self._waiting, *doubts][:MAX_WAITING]
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RETRY_SECONDS, self.settle)

    def settle(self) -> None:
        """Record each outcome that is in doubt unless it is recorded, alone, so that none holds up another."""
        doubts, self._waiting, self._timer = self._waiting, [], None
        for doubt in doubts:
            entry = doubt.waiting.entry
            future = self._writer.submit_async(Work((entry,), unless=entry.id, given=doubt.given))
            self._keep(future)
            future.add_done_callback(partial(self._settled, doubt))

    def _settled(self, doubt: Doubt, done: asyncio.Future[Any]) -> None:
        if done.cancelled():
            return
        if done.exception() is None:
            self._closed([doubt.waiting])
        else:
            self.add([doubt])
