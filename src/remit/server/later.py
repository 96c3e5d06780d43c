"""What a server loads when it is first asked for it: nobody's start waits for what few ask for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

T = TypeVar("T")


class Later(Generic[T]):
    """What `make` imports and puts together, once. What fails in it is tried again by the next who asks."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make: Final = make
        self._making: Final = threading.Lock()
        self.made: T | None = None

    def load(self) -> T:
        """It; made by the first who asks. Blocks: for a thread."""
        with self._making:
            if self.made is None:
                self.made = self._make()
            return self.made


def answered_by(later: Later[ASGIApp]) -> ASGIApp:
    """An application that is made with its first request, on a thread: no other request waits for it."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        made = later.made
        if made is None:
            made = await asyncio.to_thread(later.load)
        await made(scope, receive, send)

    return answer
