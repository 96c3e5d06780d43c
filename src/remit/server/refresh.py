"""The catalog's refresher: one task that imports each server's tools again, so that a changed tool is found out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from remit.catalog.model import Kind, Server
from remit.catalog.service import CatalogService
from remit.kernel.clock import SECOND, Clock, Instant
from remit.kernel.errors import NotFound, RemitError
from remit.logs import logger
from remit.people.change import Actor

_log = logger("remit.catalog")
_SELF = Actor(by="remit")
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Failure:
    """A server whose tools could not be listed, since when and why."""

    since: Instant
    error: str


class Refresher:
    """Asks every server for its tools every so often. What it learns can only narrow: nothing new is approved by it."""

    def __init__(
        self, catalog: CatalogService, servers: Callable[[], Iterable[Server]], *, clock: Clock, every: int
    ) -> None:
        self._catalog = catalog
        self._servers = servers
        self._clock = clock
        self._seconds = every / SECOND
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.failures: dict[str, Failure] = {}

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            # A command's definitions change with its process: each is compared as it starts, before it is called.
            names = [server.server for server in self._servers() if server.kind is not Kind.HTTP and not server.command]
            await asyncio.gather(*(self._one(name) for name in names))
            self.failures = {name: failure for name, failure in self.failures.items() if name in names}

    async def _one(self, name: str) -> None:
        async with self._room:
            try:
                await asyncio.to_thread(self._catalog.refresh, name, by=_SELF)
            except NotFound:
                return  # removed meanwhile
            except RemitError as error:
                self._failed(name, error.public, error.detail)
            except Exception as error:  # noqa: BLE001 - one server's surprise must not end the refreshing of all
                self._failed(name, "unexpected", repr(error))
            else:
                self.failures.pop(name, None)

    def _failed(self, name: str, public: str, detail: str) -> None:
        known = self.failures.get(name)
        self.failures[name] = Failure(known.since if known else self._clock.now(), public)
        if known is None:
            _log.warning("a server's tools could not be listed", server=name, error=public, detail=detail[:300])
