"""Asking a server for its tools from another thread, while Remit stops."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import Any

import pytest

from remit.catalog.model import Server
from remit.enforcement.importer import Importer
from remit.enforcement.model import Limits
from remit.kernel.errors import Overloaded
from remit.kernel.names import ServerName

SERVER = Server(
    server=ServerName("payments"), url="http://127.0.0.1:9/mcp", credential=None, tiers=(), review="quarantine",
    tools={}, set_pin="",
)  # fmt: skip


class Silent:
    """A way out to servers that never answer."""

    limits = Limits()

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.given_up = False

    async def send(self, *_: Any, **__: Any) -> Any:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.given_up = True
            raise


def test_a_loop_that_was_closed_leaves_nothing_that_was_never_awaited() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    importer = Importer(Silent(), loop=lambda: loop)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Overloaded):
            importer.list_tools(SERVER)
        gc.collect()


def test_who_waits_for_a_silent_server_goes_when_remit_stops() -> None:
    silent, stopping = Silent(), threading.Event()

    async def main() -> None:
        running = asyncio.get_running_loop()

        def loop() -> asyncio.AbstractEventLoop:
            if stopping.is_set():
                raise Overloaded("Remit is stopping")
            return running

        importer = Importer(silent, loop=loop)
        waiting = asyncio.create_task(asyncio.to_thread(importer.list_tools, SERVER))
        await asyncio.to_thread(silent.asked.wait, 20)
        stopping.set()
        with pytest.raises(Overloaded):
            await waiting
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert silent.given_up
