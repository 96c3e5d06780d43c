"""Connections that wait for their next request: over real sockets, none longer than it may, none that was spoken on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from remit.outbound import idle
from remit.outbound.idle import Idle
from remit.outbound.model import OutboundFailed
from remit.outbound.session import Outbound

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A loopback server that answers everything, and says more when it is told to."""

    def __init__(self) -> None:
        self.port = 0
        self.connections: list[asyncio.StreamWriter] = []
        self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(ANSWER)
                await writer.drain()
        self.ended += 1
        writer.close()


@asynccontextmanager
async def going() -> AsyncIterator[tuple[Peer, Outbound, Idle]]:
    here = Peer()
    server = await asyncio.start_server(here.serve, "127.0.0.1", 0)
    here.port = server.sockets[0].getsockname()[1]
    out = Outbound(allow={("127.0.0.1", here.port)})
    try:
        await ask(here, out)
        assert out._pool is not None
        yield here, out, out._pool._idle
    finally:
        await out.close()
        await until(lambda: here.ended == len(here.connections))  # all of them, with the pool
        server.close()


async def ask(here: Peer, out: Outbound) -> bytes:
    response = await out.request("GET", f"http://127.0.0.1:{here.port}/")
    body = await response.read()
    response.release()
    return body


async def until(so: Callable[[], bool]) -> None:
    while not so():  # noqa: ASYNC110 - it is of the other side of a socket
        await asyncio.sleep(0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_one_after_the_other_share_a_connection_and_those_at_once_do_not() -> None:
    async def scenario() -> None:
        async with going() as (here, out, waiting):
            for _ in range(3):
                await ask(here, out)
            assert (len(here.connections), len(waiting)) == (1, 1)
            await asyncio.gather(*(ask(here, out) for _ in range(4)))
            assert (len(here.connections), len(waiting)) == (4, 4)
        assert len(waiting) == 0

    run(scenario)


def test_what_comes_without_being_asked_for_is_nobodys_answer() -> None:
    """The server answers ahead: whoever calls next must not get it."""

    async def scenario() -> None:
        async with going() as (here, out, waiting):
            (kept,) = (connection for pairs in waiting._kept.values() for connection, _ in pairs)
            here.connections[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            await until(lambda: kept.protocol is None or kept.protocol.should_close)
            assert await ask(here, out) == b"ok"
            assert len(here.connections) == 2

    run(scenario)


def test_a_connection_that_its_server_ended_is_not_taken() -> None:
    async def scenario() -> None:
        async with going() as (here, out, waiting):
            (kept,) = (connection for pairs in waiting._kept.values() for connection, _ in pairs)
            here.connections[0].close()
            await until(lambda: kept.closed)
            assert await ask(here, out) == b"ok"
            assert len(here.connections) == 2

    run(scenario)


def test_one_that_waited_too_long_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with going() as (here, out, _):
            late = time.monotonic() + 4.5
            monkeypatch.setattr(idle, "monotonic", lambda: late)
            assert await ask(here, out) == b"ok"
            assert len(here.connections) == 2
            await until(lambda: here.ended == 1)

    run(scenario)


def test_one_that_nobody_takes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with going() as (here, out, waiting):
            waiting._sweep()
            assert (len(waiting), here.ended) == (1, 0)
            late = time.monotonic() + 4.5
            monkeypatch.setattr(idle, "monotonic", lambda: late)
            waiting._sweep()
            assert (len(waiting), waiting._timer) == (0, None)
            await until(lambda: here.ended == 1)
            assert await ask(here, out) == b"ok"

    run(scenario)


def test_more_than_may_wait_are_left_to_the_connector(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(idle, "MOST", 2)
        async with going() as (here, out, waiting):
            await asyncio.gather(*(ask(here, out) for _ in range(5)))
            assert len(waiting) == 2
            connections = len(here.connections)
            assert await ask(here, out) == b"ok"
            assert len(here.connections) == connections

    run(scenario)


def test_a_connection_that_waits_is_judged_by_the_rule_as_it_is_when_it_is_taken() -> None:
    async def scenario() -> None:
        async with going() as (here, out, waiting):
            # By a name, so that nothing but the peer's address is judged.
            out.allow = {("127.0.0.1", here.port), ("localhost", here.port)}
            response = await out.request("GET", f"http://localhost:{here.port}/")
            await response.read()
            response.release()
            out.allow = {("127.0.0.1", here.port)}
            before = len(waiting)
            with pytest.raises(Exception, match="no operator wrote"):
                await out.request("GET", f"http://localhost:{here.port}/")
            assert len(waiting) == before - 1

    run(scenario)


def test_a_broken_answer_takes_its_connection_with_it() -> None:
    async def scenario() -> None:
        async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER[:-1])
            writer.close()

        server = await asyncio.start_server(broken, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        out = Outbound(allow={("127.0.0.1", port)})
        try:
            response = await out.request("GET", f"http://127.0.0.1:{port}/")
            with pytest.raises(OutboundFailed):
                await response.read()
            assert out._pool is not None
            assert len(out._pool._idle) == 0
        finally:
            await out.close()
            server.close()

    run(scenario)
