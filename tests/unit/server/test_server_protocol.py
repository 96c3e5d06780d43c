"""A connection whose requests find no place: refused at their headers, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import httptools
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.prompt_server import PromptServer

from remit.enforcement.place import Place
from remit.server import protocol
from remit.server.app import App
from remit.server.protocol import Protocol
from remit.server.shedding import Shedding

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "World"], Awaitable[None]]


class World:
    """One application; its answers wait for `go`."""

    def __init__(self) -> None:
        self.shedding = Shedding(CollectorRegistry())
        self.go = asyncio.Event()
        self.go.set()
        self.came: list[str] = []
        self.port = 0

    async def inner(self, scope: Any, receive: Any, send: Any) -> None:
        self.came.append(scope["path"])
        while (await receive()).get("more_body", False):
            pass
        if scope["path"].startswith("/mcp/"):
            await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def head(self, path: str, *lines: str, method: str = "POST") -> bytes:
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *lines, "", ""]).encode()


def played(talk: Talk) -> World:
    async def scenario() -> World:
        world = World()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            world.port = listener.getsockname()[1]
            inner: Any = world.inner
            app = App(
                place=Place(f"http://127.0.0.1:{world.port}"), http=inner, gateway=inner, me_can=inner,
                evaluation=inner, requests=inner, token=inner, rest=inner, shedding=world.shedding, ext_authz=inner,
            )  # fmt: skip
            config = uvicorn.Config(
                app, http=Protocol, ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False
            )
            server = PromptServer(config)
            config.load()
            server.lifespan = config.lifespan_class(config)
            await server.startup(sockets=[listener])
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            await talk(reader, writer, world)
            writer.close()
            world.go.set()
            await server.shutdown(sockets=[])
        return world

    return asyncio.run(scenario())


async def until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110 - the server under test sets it, and knows of no event
        await asyncio.sleep(0)


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One whole answer: its status and its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split()[1]), head


def test_it_is_refused_before_anything_is_done_and_the_connection_goes_on() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        world.shedding.calls.limit = 0
        for path in ("/mcp/x", "/%6dcp/x"):  # another spelling is the same lane
            writer.write(world.head(path, "Content-Length: 5") + b"12345")
            status, head = await answer(reader)
            assert (status, b"retry-after: 1" in head, b"connection: close" in head) == (503, True, False)
        assert world.came == []
        world.shedding.calls.limit = 8
        writer.write(world.head("/mcp/x", "Content-Length: 5") + b"12345")
        assert (await answer(reader))[0] == 200
        assert world.shedding.calls.refused["full"] == 2

    assert played(talk).shedding.calls.waiting == 0


@pytest.mark.parametrize("line", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_a_body_that_would_have_to_be_read_is_not(line: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        world.shedding.calls.limit = 0
        writer.write(world.head("/mcp/x", line))
        status, head = await answer(reader)
        assert (status, b"connection: close" in head) == (503, True)
        assert await reader.read() == b""

    played(talk)


def test_what_comes_ahead_of_an_answer_waits_its_turn_and_in_one_place() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        world.go.clear()
        writer.write(world.head("/mcp/x") * 3)
        await until(lambda: bool(world.came))
        assert world.shedding.calls.waiting == 1
        world.shedding.calls.limit = 0
        world.go.set()
        assert [(await answer(reader))[0] for _ in range(3)] == [200, 503, 503]

    assert played(talk).shedding.calls.waiting == 0


def test_a_body_that_is_waited_for_holds_no_place() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        writer.write(world.head("/mcp/x", "Content-Length: 5") + b"1")
        await until(lambda: bool(world.came))
        assert world.shedding.calls.waiting == 0
        world.go.clear()
        writer.write(b"2345")
        await until(lambda: bool(world.shedding.calls.waiting))
        world.go.set()
        assert (await answer(reader))[0] == 200

    assert played(talk).shedding.calls.waiting == 0


def test_beyond_the_connections_there_may_be_an_idle_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "most", 1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        writer.write(world.head("/mcp/x"))
        assert (await answer(reader))[0] == 200
        other, say = await asyncio.open_connection("127.0.0.1", world.port)
        assert await reader.read() == b"", "the idle one was closed"
        say.write(world.head("/healthz", method="GET"))
        assert (await answer(other))[0] == 200
        say.close()

    played(talk)


def test_where_none_is_idle_one_more_is_served_what_is_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "most", 1)

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        world.go.clear()
        writer.write(world.head("/mcp/x"))
        await until(lambda: bool(world.came))
        other, say = await asyncio.open_connection("127.0.0.1", world.port)
        say.write(world.head("/v1/freezes"))
        assert (await answer(other))[0] == 200
        say.write(world.head("/mcp/x"))
        status, head = await answer(other)
        assert (status, b"connection: close" in head) == (503, True)
        say.close()

    played(talk)


@given(st.text("/.~-_aZ09?&=%#:@", max_size=24).map(lambda rest: f"/{rest}".encode()))
def test_a_plain_target_is_taken_apart_as_any_other(url: bytes) -> None:
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return
    assert protocol._asked(url) == (unquote(parsed.path.decode("ascii")), parsed.query or b"")


@pytest.mark.parametrize(
    ("authority", "status"), [("127.0.0.1:{}", 200), ("evil.example", 403), ("evil.example:{}", 403)]
)
@pytest.mark.parametrize("host", ["127.0.0.1:{}", "evil.example"])
def test_a_target_that_is_a_whole_url_says_whose_it_is(authority: str, status: int, host: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        url, name = f"http://{authority.format(world.port)}/x?a=1", host.format(world.port)
        writer.write(f"GET {url} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert (await answer(reader))[0] == status
        assert world.came == (["/x"] if status == 200 else [])

    played(talk)


def test_it_goes_before_no_answer_that_is_due() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        world.go.clear()
        writer.write(world.head("/mcp/slow", "Content-Length: 0"))
        await until(lambda: world.came == ["/mcp/slow"])
        writer.write(world.head("/mcp/x", "Transfer-Encoding: gzip, chunked"))
        assert await reader.read() == b""
        assert world.came == ["/mcp/slow"]

    played(talk)


@pytest.mark.parametrize("coding", ["gzip, chunked", "GZIP,chunked", "chunked, chunked", "x"])
def test_a_body_in_a_coding_that_cannot_be_read_is_refused(coding: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, world: World) -> None:
        writer.write(world.head("/mcp/x", f"Transfer-Encoding: {coding}") + b"2\r\nab\r\n0\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 501 ", b"HTTP/1.1 400 "))  # 400: the parser's own no
        await reader.read()  # to the end of the connection
        assert world.came == []

    played(talk)
