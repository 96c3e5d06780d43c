"""Work that is due: looked for again and again, and at once when woken; each piece carried by one task at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from remit.kernel.errors import RemitError
from remit.logs import logger

AT_ONCE: Final = 20  # pieces that are carried side by side
_log = logger("remit.vault")


@dataclass(slots=True, kw_only=True)
class Rounds:
    """Carries what is due.

    Args:
        kind: Of the work, for the log.
        due: Names of what is due now.
        carry: Takes one piece as far as it goes at once.
        release: Gives up what a process of this node's name had taken before it began.
        pause: Seconds until the next look, if nobody wakes it.
    """

    kind: str
    due: Callable[[], Awaitable[Iterable[str]]]
    carry: Callable[[str], Awaitable[None]]
    release: Callable[[], Awaitable[None]]
    pause: Callable[[], float]
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Carry on what is due, until cancelled; what is under way is cancelled too, and its claim runs out."""
        self._loop = asyncio.get_running_loop()
        released = False
        try:
            while True:
                self._woken.clear()
                try:
                    if not released:
                        await self.release()
                        released = True
                    await self._round()
                except RemitError as error:
                    _log.warning("nothing could be looked at", kind=self.kind, error=error.public, detail=error.detail)
                except Exception:  # noqa: BLE001 - the next round tries again
                    _log.exception("nothing could be looked at", kind=self.kind)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.pause()):
                        await self._woken.wait()
        finally:
            self._loop = None
            for task in [*self._busy.values()]:
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def wake(self) -> None:
        """From any thread: look now."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it is being closed
                loop.call_soon_threadsafe(self._woken.set)

    async def tick(self) -> int:
        """Carry everything that is due now once; how many that were."""
        names = list(await self.due())
        await asyncio.gather(*(self.carry(name) for name in names))
        return len(names)

    async def _round(self) -> None:
        for name in await self.due():
            if name not in self._busy and len(self._busy) < AT_ONCE:
                self._busy[name] = asyncio.create_task(self._carried(name))

    async def _carried(self, name: str) -> None:
        try:
            await self.carry(name)
        except RemitError as error:
            _log.warning("it waits", kind=self.kind, name=name, error=error.public, detail=error.detail)
        except Exception:  # noqa: BLE001 - its claim ends, and it is taken again
            _log.exception("it waits", kind=self.kind, name=name)
        finally:
            del self._busy[name]
