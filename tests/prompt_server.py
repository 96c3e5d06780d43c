"""uvicorn's server, which ends when it is asked to: the real one looks ten times a second whether it was."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

_DRAIN = 1  # seconds that open requests have at the end
_LOOK = 0.002  # seconds between two looks whether they have ended


class PromptServer(uvicorn.Server):
    """Serves inside the event loop of a test, whose signal handlers stay its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._asked = asyncio.Event()
        self._serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._serving.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._asked.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, without its rests: nobody else is let in, who is served may end, then is cancelled."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(_DRAIN):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(_LOOK)
                for server in self.servers:
                    await server.wait_closed()
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()

    @contextlib.asynccontextmanager
    async def on(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve on `listener` until the block ends."""
        task = asyncio.create_task(self._serve([listener]))
        begun = asyncio.create_task(self._serving.wait())
        await asyncio.wait((task, begun), return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            begun.cancel()
            await task  # it could not begin
        try:
            yield
        finally:
            self._asked.set()
            await task


@contextlib.asynccontextmanager
async def serving(app: Any, listener: socket.socket, **options: Any) -> AsyncIterator[None]:
    """An ASGI application on a real port of this event loop; `options` are uvicorn's."""
    options = {"log_level": "critical", "lifespan": "auto", "ws": "none", **options}
    async with PromptServer(uvicorn.Config(app, **options)).on(listener):
        yield
