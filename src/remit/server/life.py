"""What runs in one server process besides its requests, from its first moment to its last."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from remit.audit.recovery import OpenCalls, heartbeat, recover
from remit.audit.sequencer import Sequencer
from remit.audit.service import Recorder
from remit.certification.usage.coverage import BEAT_SECONDS, CoverageClock
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.points import Points
from remit.enforcement.streams import Streams
from remit.kernel.clock import SECOND, Clock
from remit.kernel.errors import Overloaded, RemitError
from remit.logs import logger
from remit.outbound.session import Outbound
from remit.server import garbage
from remit.server.announce import Announcer
from remit.server.http_ready import Health
from remit.server.later import Later
from remit.server.local_socket import LocalSocket
from remit.server.nodes import Nodes
from remit.server.refresh import Refresher
from remit.storage.database import Database
from remit.storage.node_sql import SqlNodes
from remit.storage.ports import Transaction

if TYPE_CHECKING:
    from remit.server.compose_governance import Governance
    from remit.server.proxy import ProxyServer

_THREADS = 32  # for what waits for the database or a file
_log = logger("remit.server")
_SETTLED = 0.5  # seconds after its begin: then it is ready, and what that did not need is loaded beside it
_SWEEP_SECONDS = 0.5  # between two sweeps of running calls; with many of them it is longer (`sweep_pause`)
_SWEEP_REST = 20.0  # times as long as the last sweep asked: with many streams a freeze must not wait for it
_SWEEP_LATEST = 4.0  # but no longer: what time has ended is cut within the staleness bound (policy.view.STALE_AFTER)


def sweep_pause(asked: float) -> float:
    """Seconds until running calls are swept again, after a sweep that asked for `asked` seconds.

    A running call outlives its run, agent, purpose or boundary by this, and by the sweep itself.
    """
    return min(max(_SWEEP_SECONDS, asked * _SWEEP_REST), _SWEEP_LATEST)


@dataclass(slots=True, kw_only=True)
class Life:
    """The background work of one process. Everything is started by `begin` and ended by `end`."""

    clock: Clock
    database: Database
    records: Recorder
    outbound: Outbound
    calls: OpenCalls
    pipeline: Pipeline
    points: Points
    announcer: Announcer
    streams: Streams
    sequencer: Sequencer
    refresher: Refresher
    coverage: CoverageClock
    governance: Later[Governance]
    nodes: Nodes
    more: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)  # what else runs all the time
    kept: list[Callable[[Transaction], None]] = field(default_factory=list)  # what else is written with each heartbeat
    _loop: asyncio.AbstractEventLoop | None = None
    _leaving: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that requests run on.

        Raises:
            Overloaded: The server is stopping: nothing new begins on it, and who waits for another server goes home.
        """
        if self._loop is None:
            raise RuntimeError("the server does not run yet")
        if self._leaving:
            raise Overloaded("Remit is stopping", try_="ask again once it runs again")
        return self._loop

    def leave(self) -> None:
        """From now on the server is stopping. Requests under way have until the end of the drain."""
        self._leaving = True

    def recover(self) -> None:
        """Before any call is taken: settle what a crash left open, and say that this process starts."""
        database, shared = self.database, self.database.node is not None
        found = recover(database.writer, database.reader, self.records, shared=shared)
        gap = database.reader.read(lambda connection: self.coverage.open(connection, self.clock.now()))
        if found.uses:
            database.writer.change(lambda tx: self.governance.load().certifying.service.replay_uses(tx, found.uses))
        lost = found.lost + self.nodes.settle_own()
        if lost:
            _log.warning("calls without a recorded outcome", count=lost)
        self._record("start", {"version": version("remit"), "uncovered_seconds": gap // SECOND})
        self.nodes.flushed(self.coverage.reading())

    async def begin(self) -> None:
        """Start what runs on the event loop."""
        self._loop = asyncio.get_running_loop()
        # More than there are loops below: while a database hangs each of them holds one, and a call may need one, too.
        self._loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="remit-work"))
        self.streams.bind(self._loop)
        self.announcer.bind(self._loop)
        self.sequencer.start()
        loops = (self.refresher.run(), self._beat(), self._certify(), self.points.run(), self._sweep(),
                 garbage.run(), self._end_if_given_up())  # fmt: skip
        self._tasks = [asyncio.create_task(each) for each in (*loops, *(begin() for begin in self.more))]

    async def end(self) -> None:
        """Stop it, and make every outcome durable that is known."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pipeline.drain()
        await self.outbound.close()

    def close(self) -> None:
        """Say that this process ends, sign what is there, close the database."""
        ended = False
        try:
            self._heartbeat()
            self._record("stop", {})
            ended = True
        except RemitError as error:
            _log.error("the end could not be recorded", error=error.public, detail=error.detail)
        except Exception:  # noqa: BLE001 - the database is closed all the same
            _log.exception("the end could not be recorded")
        self.sequencer.stop()
        if ended and not len(self.calls):
            with contextlib.suppress(RemitError):  # then it is given up by the others, or settled by the next start
                self.nodes.leave()
        self.database.close()

    def _record(self, kind: str, fields: dict[str, Any]) -> None:
        def apply(tx: Transaction) -> None:
            tx.record(self.records.entry(kind, fields))

        self.database.writer.change(apply)

    async def _certify(self) -> None:
        await asyncio.sleep(_SETTLED)
        while True:
            try:
                governance = await asyncio.to_thread(self.governance.load)
            except Exception:  # noqa: BLE001 - whatever it is: nothing is certified, withdrawn or rotated until it loads
                _log.exception("what certifies access could not be loaded; it is tried again")
                await asyncio.sleep(BEAT_SECONDS)
            else:
                await governance.certifying.run()
                return

    async def _beat(self) -> None:
        await asyncio.sleep(_SETTLED)  # the start was recorded just now
        while True:
            try:
                await asyncio.to_thread(self._heartbeat)
            except RemitError as error:
                _log.warning("no heartbeat", error=error.public, detail=error.detail)
            except Exception:  # noqa: BLE001 - the next one may succeed, and without any the others take it for dead
                _log.exception("no heartbeat")
            await asyncio.sleep(BEAT_SECONDS)

    async def _sweep(self) -> None:
        """Cut what time has ended. Nothing but this ends a stream whose run or boundary is over."""
        pause = _SWEEP_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                pause = sweep_pause(await self.streams.sweep())
            except Exception:  # noqa: BLE001 - the next half second asks again
                _log.exception("running calls could not be asked about")

    async def _end_if_given_up(self) -> None:
        """What this process does is settled by others as that of a dead one: it must not go on beside them."""
        while not self.database.given_up:  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(_SWEEP_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    def _heartbeat(self) -> None:
        node = self.database.node
        with self.governance.load().certifying.service.flushing() as flush:

            def keep(tx: Transaction) -> None:
                flush(tx)
                for keeps in self.kept:
                    keeps(tx)
                self.coverage.beat(tx.connection, self.clock.now())
                if node is not None:
                    SqlNodes(tx.connection).flushed(node, reading)

            reading = self.coverage.reading()  # before: what is used from here on may not be among what is written
            heartbeat(self.database.writer, self.records, self.calls, {}, keep, node=node)


@dataclass(slots=True, kw_only=True)
class Remit:
    """One server: what answers requests, and what runs besides."""

    app: ASGIApp
    later: Later[ASGIApp]  # the part of it that is loaded when it is first asked for
    base: str
    health: Health
    life: Life
    local: LocalSocket
    proxy: ProxyServer | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background work for as long as the block runs."""
        await self.life.begin()
        try:
            await self.local.start()
            if self.proxy is not None:
                await self.proxy.start()
            yield
        finally:
            self.health.ready = False
            self.life.leave()
            if self.proxy is not None:
                await self.proxy.close()
            await self.local.close()
            await self.life.end()

    def close(self) -> None:
        """End for good."""
        self.life.close()
