import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from remit.outbound.model import Endpoint, OutboundError, OutboundFailed, OutboundRefused, Patience
from remit.outbound.pool import Pool
from remit.outbound.resolve import PinnedResolver
from remit.outbound.session import Outbound

EVERYWHERE = "0.0.0.0"  # noqa: S104 - dialled, not bound
SOON = Patience(dial=0.1, silence=0.1)


class Upstream:
    """A loopback server that counts connections and requests."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[web.BaseRequest] = []

    def url(self, host: str = "127.0.0.1", path: str = "/mcp", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        if request.path == "/away":
            return web.Response(status=307, headers={"Location": self.url(path="/secret"), "Set-Cookie": "a=b"})
        if request.path == "/stream":
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for part in (b"data: 1\n\n", b"data: 2\n\n"):
                await response.write(part)
            return response
        return web.json_response({"got": await request.text()})


class _Counting(web.Server):
    def __init__(self, upstream: Upstream) -> None:
        super().__init__(upstream.handle)
        self._upstream = upstream

    def __call__(self) -> Any:
        self._upstream.connections += 1
        return super().__call__()


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    here = Upstream()
    server = _Counting(here)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    here.port = runner.addresses[0][1]
    try:
        yield here
    finally:
        await runner.cleanup()


@asynccontextmanager
async def going_out(*, allow: Collection[tuple[str, int]] = (), refuse: Collection[tuple[str, int]] = ()) -> Any:
    outbound = Outbound(allow=allow, refuse=refuse)
    try:
        yield outbound
    finally:
        await outbound.close()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


@asynccontextmanager
async def peer(behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A loopback server that does what it is told with each connection."""
    ended: set[asyncio.Event] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.add(end := asyncio.Event())
        try:
            await behave(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            end.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for end in ended:
            await end.wait()


def _names(monkeypatch: pytest.MonkeyPatch, *answers: list[str] | OSError) -> list[str]:
    """Names answer with these addresses, one answer after the other; returns the names asked for."""
    asked: list[str] = []
    left = list(answers)

    async def lookup(_: object, host: str, port: int, family: int) -> list[tuple[int, str]]:
        asked.append(host)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in answer]

    monkeypatch.setattr(PinnedResolver, "_lookup", lookup)
    return asked


def test_a_loopback_server_that_an_operator_wrote_answers() -> None:
    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("127.0.0.1", server.port)}) as out:
            response = await out.request("POST", server.url(), headers={"X-A": "1"}, data=b"hello")
            assert (response.status, json.loads(await response.read())) == (200, {"got": "hello"})
            (request,) = server.requests
            assert request.headers["X-A"] == "1"
            assert set(request.headers) == {"Host", "X-A", "Content-Length"}

    run(scenario)


def test_one_connection_serves_many_requests() -> None:
    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("127.0.0.1", server.port)}) as out:
            for _ in range(5):
                response = await out.request("POST", server.url(), data=b"x")
                await response.read()
            assert (len(server.requests), server.connections) == (5, 1)

    run(scenario)


def test_a_stream_is_read_as_it_comes() -> None:
    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("127.0.0.1", server.port)}) as out:
            response = await out.request("GET", server.url(path="/stream"))
            assert [line async for line in response.content] == [b"data: 1\n", b"\n", b"data: 2\n", b"\n"]

    run(scenario)


SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "127.1",
    "0177.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "①②⑦.0.0.1",
    "127.0.0.1.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[::127.0.0.1]",
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    EVERYWHERE,
    "[::]",
    "[fe80::1%25lo]",
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_loopback_is_refused_in_every_spelling_that_was_not_written(host: str) -> None:
    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("127.0.0.1", server.port + 1), ("x", server.port)}) as out:
            with pytest.raises(OutboundError) as refusal:
                await out.request("POST", server.url(host), data=b"x", patience=SOON)
            assert refusal.value.sent is False
            assert (server.connections, server.requests) == (0, [])

    run(scenario)


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:a9fe:a9fe]", EVERYWHERE, "[fd00:ec2::254]"])
def test_metadata_is_refused_even_if_written(host: str) -> None:
    async def scenario() -> None:
        async with going_out(allow={(host.strip("[]"), 80)}) as out:
            with pytest.raises(OutboundRefused, match="never"):
                await out.request("GET", f"http://{host}/latest/meta-data", patience=SOON)

    run(scenario)


def test_a_mapped_address_works_if_it_is_what_was_written() -> None:
    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("::ffff:7f00:1", server.port)}) as out:
            response = await out.request("GET", server.url("[::ffff:127.0.0.1]"))
            assert response.status == 200
            await response.read()

    run(scenario)


def test_a_redirect_is_returned_and_not_followed() -> None:
    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("127.0.0.1", server.port)}) as out:
            response = await out.request("POST", server.url(path="/away"), data=b"x")
            assert response.status == 307
            await response.read()
            await (await out.request("GET", server.url())).read()
            assert [r.path for r in server.requests] == ["/away", "/mcp"]
            assert "Cookie" not in server.requests[1].headers

    run(scenario)


def test_the_own_listener_is_refused_though_written() -> None:
    async def scenario() -> None:
        async with upstream() as server:
            own = ("127.0.0.1", server.port)
            async with going_out(allow={own}, refuse={(EVERYWHERE, server.port)}) as out:
                with pytest.raises(OutboundRefused, match="itself"):
                    await out.request("POST", server.url(), data=b"x")
            assert server.connections == 0

    run(scenario)


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("127.0.0.1", server.port)}) as out:
            assert (await out.request("GET", server.url())).status == 200

    run(scenario)


# Names


def test_a_name_is_dialled_at_the_address_that_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    # DNS rebinding: the second answer is the metadata service. Nobody asks a second time for one request.
    asked = _names(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])

    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("crm.test", server.port)}) as out:
            response = await out.request("GET", server.url("crm.test"))
            assert response.status == 200
            assert len(server.requests) == 1
            assert asked == ["crm.test"]

    run(scenario)


def test_a_name_that_answers_differently_later_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _names(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])

    async def scenario() -> None:
        async with upstream() as server, going_out() as out:
            resolver = PinnedResolver(out._rule)
            assert (await resolver.resolve("evil.test", server.port))[0]["host"] == "93.184.216.34"
            with pytest.raises(OutboundRefused):
                await out.request("GET", server.url("evil.test"))
            assert server.connections == 0

    run(scenario)


def test_one_bad_address_among_good_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _names(monkeypatch, ["93.184.216.34", "127.0.0.1"])

    async def scenario() -> None:
        async with upstream() as server, going_out() as out:
            with pytest.raises(OutboundRefused):
                await out.request("GET", server.url("evil.test"))
            assert server.connections == 0

    run(scenario)


def test_the_peer_is_judged_again_before_a_byte_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were an unjudged address dialled all the same, nothing would be sent to it."""

    async def scenario() -> None:
        async with upstream() as server, going_out() as out:
            monkeypatch.setattr(Pool, "_refuse_literal", lambda _self, _asked: None)
            with pytest.raises(OutboundRefused):
                await out.request("POST", server.url(), data=b"secret")
            assert server.requests == []

    run(scenario)


def test_a_pooled_connection_is_not_used_once_the_rule_forbids_it() -> None:
    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("localhost", server.port)}) as out:
            await (await out.request("GET", server.url("localhost"))).read()
            out.allow = frozenset()
            with pytest.raises(OutboundRefused):
                await out.request("GET", server.url("localhost"))
            assert len(server.requests) == 1
            out.allow = {Endpoint("localhost", server.port)}
            await (await out.request("GET", server.url("localhost"))).read()
            out.refuse = {Endpoint("127.0.0.1", server.port)}
            with pytest.raises(OutboundRefused):
                await out.request("GET", server.url("localhost"))
            assert len(server.requests) == 2

    run(scenario)


# Whether bytes may have left


def _failure(port: int, *, method: str = "POST", scheme: str = "http", host: str = "127.0.0.1") -> Any:
    async def one() -> OutboundFailed:
        async with going_out(allow={(host, port)}) as out:
            with pytest.raises(OutboundFailed) as failure:
                await out.request(method, f"{scheme}://{host}:{port}/mcp", data=b"x", patience=SOON)
            return failure.value

    return one()


def test_a_refused_connection_sent_nothing() -> None:
    async def scenario() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            assert (await _failure(closed.getsockname()[1])).sent is False

    run(scenario)


def test_a_name_that_does_not_resolve_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _names(monkeypatch, OSError(None, "no such name"))

    async def scenario() -> None:
        assert (await _failure(80, host="crm.test")).sent is False

    run(scenario)


def test_a_name_server_that_is_silent_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object) -> list[tuple[int, str]]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(PinnedResolver, "_lookup", silent)

    async def scenario() -> None:
        assert (await _failure(80, host="crm.test")).sent is False

    run(scenario)


def test_a_failed_tls_handshake_sent_nothing() -> None:
    async def scenario() -> None:
        async with upstream() as server:
            assert (await _failure(server.port, scheme="https")).sent is False
            assert server.requests == []

    run(scenario)


def test_a_server_that_closes_without_an_answer_may_have_read_the_request() -> None:
    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def scenario() -> None:
        async with peer(closes) as port:
            assert (await _failure(port)).sent is True

    run(scenario)


def test_a_server_that_closes_at_once_may_have_read_the_request() -> None:
    async def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def scenario() -> None:
        async with peer(closes) as port:
            assert (await _failure(port)).sent is True

    run(scenario)


def test_a_server_that_is_silent_may_have_read_the_request() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def scenario() -> None:
        async with peer(silent) as port:
            failed = await _failure(port)
            assert failed.sent is True
            assert "in time" in failed.public

    run(scenario)


def test_an_answer_that_is_no_http_was_sent_for() -> None:
    async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-nothing\r\n\r\n")
        await writer.drain()
        writer.close()

    async def scenario() -> None:
        async with peer(babbles) as port:
            assert (await _failure(port)).sent is True

    run(scenario)


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
def test_a_stale_connection_never_sends_a_request_twice(method: str) -> None:
    seen: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(1)
            seen.append(head[:4])
            writer.write(answer)
        writer.close()

    async def scenario() -> None:
        async with peer(once) as port, going_out(allow={("127.0.0.1", port)}) as out:
            url = f"http://127.0.0.1:{port}/"
            await (await out.request(method, url, data=b"x")).read()
            with pytest.raises(OutboundFailed) as failure:
                await out.request(method, url, data=b"x")
            assert failure.value.sent is True
            assert len(seen) == 2

    run(scenario)


def test_a_header_cannot_carry_a_second_request() -> None:
    async def scenario() -> None:
        async with upstream() as server, going_out(allow={("127.0.0.1", server.port)}) as out:
            with pytest.raises(OutboundFailed):
                await out.request("GET", server.url(), headers={"X-A": "1\r\nX-B: 2"})
            assert server.requests == []

    run(scenario)


def test_no_error_shows_the_credential_it_carried() -> None:
    async def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def scenario() -> None:
        async with (
            peer(closes) as port,
            going_out(allow={("127.0.0.1", port)}) as out,
        ):
            with pytest.raises(OutboundFailed) as failure:
                await out.request("POST", f"http://127.0.0.1:{port}/", headers={"Authorization": "Bearer canary"})
            shown = f"{failure.value} {failure.value.detail} {failure.value!r} {failure.value.__cause__!r}"
            assert "canary" not in shown

    run(scenario)


# What a server's answer looks like


def _read_twice(*parts: bytes) -> tuple[list[bytes], int]:
    """What two requests to a server bring that answers every one with `parts`, and how many connections it took."""
    connections = 0

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for part in parts:
                    writer.write(part)
                    await writer.drain()

    read: list[bytes] = []

    async def scenario() -> None:
        async with peer(answers) as port, going_out(allow={("127.0.0.1", port)}) as out:
            for _ in range(2):
                response = await out.request("GET", f"http://127.0.0.1:{port}/")
                read.append(await response.read())
                response.close()
            await out.close()

    run(scenario)
    return read, connections


def test_an_interim_answer_is_not_the_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert _read_twice(early, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == ([b"ok", b"ok"], 1)


def test_an_answer_in_chunks_is_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
    assert _read_twice(head, b"1\r\nc\r\n0\r\n\r\n") == ([b"abc", b"abc"], 1)


def test_a_connection_that_its_server_ends_is_not_used_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    assert _read_twice(answer) == ([b"ok", b"ok"], 2)


def test_what_stands_behind_an_answer_is_not_the_next_one() -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert _read_twice(answer + forged) == ([b"ok", b"ok"], 2)


def test_a_request_that_is_given_up_takes_its_connection_with_it() -> None:
    async def scenario() -> None:
        came, ended = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            came.set()
            await reader.read()
            ended.set()

        async with peer(silent) as port, going_out(allow={("127.0.0.1", port)}) as out:
            asked = asyncio.create_task(out.request("GET", f"http://127.0.0.1:{port}/"))
            await came.wait()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            await ended.wait()

    run(scenario)


def test_an_answer_that_is_closed_half_read_is_not_read_on() -> None:
    async def scenario() -> None:
        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            await reader.read()

        async with peer(half) as port, going_out(allow={("127.0.0.1", port)}) as out:
            response = await out.request("GET", f"http://127.0.0.1:{port}/")
            reading = asyncio.create_task(response.read())
            await asyncio.sleep(0)
            response.close()
            with pytest.raises(OutboundFailed):
                await reading

    run(scenario)
