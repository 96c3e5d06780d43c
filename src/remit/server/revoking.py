"""Takes away what was lent and must end: at once on a change, and each second by time.

Every node ends what it holds itself, and what a node held that is gone. What is ending is due: whichever node takes an
attempt revokes it at its provider, reads again whether it is gone, and records that. What is not gone is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from remit.kernel.clock import SECOND, Clock, Micros
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.server.leasing import Leasing
from remit.server.rounds import AT_ONCE, Rounds
from remit.storage.due import Due
from remit.storage.ports import Reader, Transaction, Writer
from remit.vault.lease import Why
from remit.vault.lease_sql import SqlLeases
from remit.vault.leases import KIND, Leases, Taken

_EVERY: Final = 1.0  # seconds between two looks
_SECONDS: Final = 12.0  # for one attempt: less than it is claimed for (`leases.CLAIMED`)
_OVER: Final = Micros(10 * SECOND)  # after its end whichever node sees it ends a lease: its own should have
_LEAVING: Final = 8.0  # seconds that a stopping process has to take away what it made
_log = logger("remit.vault")
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Revoking:
    """Ends leases.

    Args:
        leasing: What this node holds.
        leases: Their changes of state.
        writer: Commits.
        reader: Reads what is open and due.
        clock: Says when.
        node: This process among those of the database.
        alive: The nodes that are there, read in the database after leases.
        thread: Runs what waits for the database beside the event loop.
        close: Closes the way out at the end.
    """

    leasing: Leasing
    leases: Leases
    writer: Writer
    reader: Reader
    clock: Clock
    node: Callable[[], str]
    alive: Callable[[Connection], Collection[str]]
    thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
    close: Callable[[], Awaitable[None]] | None = None
    _rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        """What looks for it."""
        self._rounds = Rounds(
            kind=KIND, due=self._looked, carry=self.carry, release=self._release, pause=lambda: _EVERY
        )

    async def run(self) -> None:
        """End what must end, for ever; at the end of the process all that it holds."""
        try:
            await self._rounds.run()
        finally:
            await self._leave()

    def follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What to subscribe to the feed, after all that a decision reads: any change may be what ends one."""
        self.leasing.follow(epoch, topics, connection)
        self.wake()

    def wake(self) -> None:
        """From any thread: look now."""
        self._rounds.wake()

    async def tick(self) -> int:
        """End what must end, and try everything that is due once; how many that were."""
        return await self._rounds.tick()

    async def carry(self, lease: str) -> None:
        """One attempt to take it away, if that is due and nobody's."""
        taken = await self._change(lambda tx: self.leases.take(tx, lease, node=self.node()))
        if taken is not None:
            gone, said = await self._asked(taken)
            await self._change(lambda tx: self.leases.record(tx, taken, gone=gone, said=said))

    # ------------------------------------------------------------------------------------------

    async def _release(self) -> None:
        await self._change(lambda tx: Due(tx.connection).release(KIND, node=self.node()))

    async def _looked(self) -> list[str]:
        await self._end()
        names: list[str] = await self.thread(self._due)
        return names

    async def _end(self) -> None:
        own = [(lease.lease, why, detail) async for lease, why, detail in self.leasing.over()]
        others = [(name, why, "") for name, why in await self.thread(self._orphans)]
        if found := [*own, *others]:
            await self._change(partial(self._ended, found))

    def _ended(self, found: Iterable[tuple[str, Why, str]], tx: Transaction) -> None:
        for name, why, detail in found:
            self.leases.end(tx, name, why, detail=detail)

    def _orphans(self) -> list[tuple[str, Why]]:
        """What is open, and nobody is there who would end it."""

        def read(connection: Connection) -> list[tuple[str, Why]]:
            going, now = SqlLeases(connection).going(), self.clock.now()
            if not going:
                return []
            here, alive = self.node(), self.alive(connection)
            found = []
            for each in going:
                if each.node not in alive or (each.node == here and not self.leasing.has(each.lease)):
                    found.append((each.lease, Why.NODE))
                elif now >= each.ends + _OVER:
                    found.append((each.lease, Why.TTL))
            return found

        return self.reader.read(read)

    async def _asked(self, taken: Taken) -> tuple[bool, str]:
        """Whether it is gone, and what else was said. Never raises but for being cancelled."""
        it = taken.lease
        if not it.handle:
            return True, ""  # it was never prepared: nothing was asked of anybody
        maker = self.leasing.makers[it.maker]
        try:
            async with asyncio.timeout(_SECONDS):
                order = self.leasing.order(it, ends=True)
                await maker.end(order)
                gone = await maker.gone(order)
        except TimeoutError:
            return False, "the provider did not answer in time"
        except RemitError as error:
            return False, error.public
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold a value: only its kind is told
            _log.error("a lease could not be revoked", lease=it.lease, error=type(error).__name__)
            return False, f"unexpected: {type(error).__name__}"
        return gone, "" if gone else "it is still there"

    def _due(self) -> list[str]:
        now = self.clock.now()
        return self.reader.read(lambda connection: Due(connection).ready(KIND, now=now, most=AT_ONCE))

    async def _leave(self) -> None:
        """What this process holds is lent to nobody after it."""
        with contextlib.suppress(Exception):  # what is not taken away now is by the next process, or by another node
            async with asyncio.timeout(_LEAVING):
                held = list(self.leasing.held)
                for name in held:
                    self.leasing.drop(name)
                await self._change(partial(self._ended, [(name, Why.NODE, "it stopped") for name in held]))
                await asyncio.gather(*(self.carry(name) for name in held))
        if self.close is not None:
            await self.close()

    async def _change(self, apply: Callable[[Transaction], T]) -> T:
        done: T = await self.thread(self.writer.change, apply)
        return done
