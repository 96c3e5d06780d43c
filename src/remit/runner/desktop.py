"""One desktop agent behind Remit: from its first line to its last, with tokens that it never sees."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from remit.runner import own_process
from remit.runner.asking import Asking
from remit.runner.model import Plan, not_its_servers
from remit.runner.run import issued
from remit.runner.session import Session
from remit.runner.shim import Shim
from remit.runner.tally import Tally
from remit.runner.tokens import Tokens
from remit.runner.upstream import Gateway
from remit.sdk import keyfile

_LINE: Final = 16 << 20  # bytes of one message, as of a run's


def serve(plan: Plan, *, say: Callable[[Tally, str], None]) -> None:
    """Relay the client on our standard streams to the plan's one server, until it closes them or we are told to end.

    Raises:
        RemitError: The server gives no token, or no boundary names the MCP server.
    """
    own_process.close_up()
    asyncio.run(_serve(plan, say=say))


async def _serve(plan: Plan, *, say: Callable[[Tally, str], None]) -> None:
    key, session, tally = keyfile.fresh(), Session(plan.data), Tally()
    try:
        ask = partial(issued, plan, key, session, None)
        first = await ask()
        if missing := set(plan.servers) - set(first.servers):
            raise not_its_servers(missing, first, agent=plan.agent)
        tokens = Tokens(first, ask)
        shim = Shim(
            gateway=Gateway(plan.base, key), asking=Asking(tokens), server=plan.servers[0], write=_writer(), tally=tally
        )
        keeping = asyncio.create_task(tokens.keep())
        serving = asyncio.create_task(shim.serve(await _standard_input()))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
    finally:
        await session.end()
    say(tally, first.run)


async def _standard_input() -> asyncio.StreamReader:
    """Lines of our standard input, read by a thread: it may be a pipe, a terminal or a file."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=_LINE)

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            while line := sys.stdin.buffer.readline():
                loop.call_soon_threadsafe(reader.feed_data, line)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=read, name="remit-stdin", daemon=True).start()
    return reader


def _writer() -> Callable[[bytes], asyncio.Future[None]]:
    """Writes whole lines to our standard output, one after the other."""
    lock = threading.Lock()

    def write(message: bytes) -> None:
        with lock:
            sys.stdout.buffer.write(message + b"\n")
            sys.stdout.buffer.flush()

    return lambda message: asyncio.ensure_future(asyncio.to_thread(write, message))
