from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from aiohttp import web

from remit.outbound import fetch
from remit.outbound.fetch import Fetcher, own_endpoints
from remit.outbound.model import Endpoint, OutboundError, OutboundFailed, OutboundRefused
from remit.outbound.session import Outbound

T = TypeVar("T")


class Site:
    """A loopback server on a loop of its own, and the fetcher beside it."""

    def __init__(self) -> None:
        self.port, self.asked = 0, []  # type: ignore[var-annotated]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.runner = self.on_loop(self._start())
        self.outbound = Outbound(allow={Endpoint("127.0.0.1", self.port)})
        self.fetcher = Fetcher(self.outbound, loop=lambda: self.loop)

    def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def get(self, path: str) -> fetch.Fetched:
        return self.fetcher.get(self.url(path), own=own_endpoints(self.url("/")))

    async def _start(self) -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": self.url("/secret")})
        if request.path == "/large":
            return web.Response(body=b"x" * (fetch.MOST + 1))
        if request.path == "/endless":
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"x" * 65536)
        if request.path == "/none":
            return web.Response(status=404)
        if request.path == "/silent":
            await asyncio.Event().wait()
        return web.json_response({"a": 1})

    def close(self) -> None:
        self.on_loop(self.outbound.close())
        self.on_loop(self.runner.cleanup())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        self.loop.close()


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.close()


def test_a_document_comes_whole(site: Site) -> None:
    assert site.get("/keys") == (b'{"a": 1}', "application/json")


@pytest.mark.parametrize("path", ["/away", "/none", "/large", "/endless"])
def test_what_is_no_whole_answer(site: Site, path: str) -> None:
    with pytest.raises(OutboundFailed):
        site.get(path)
    assert site.asked == [path]  # a redirect is not followed


def test_a_silent_server_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.1)
    with pytest.raises(OutboundFailed, match="in time"):
        site.get("/silent")


def test_what_was_opened_for_one_is_not_reached_for_another(site: Site) -> None:
    with pytest.raises(OutboundRefused):
        site.fetcher.get(site.url("/keys", "https"), own=())
    with pytest.raises(OutboundRefused, match="only https"):
        site.fetcher.get(site.url("/keys"), own=())
    assert site.asked == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0177.0.0.1", "2130706433", "0x7f000001", "localhost", "[::1]", "[::ffff:a9fe:a9fe]",
     "[64:ff9b::7f00:1]", "169.254.169.254", "①②⑦.⓪.⓪.①", "0.0.0.0"],  # noqa: S104 - dialled, not bound
)  # fmt: skip
def test_this_machine_and_metadata_services_are_not_reached(site: Site, host: str) -> None:
    site.outbound.allow = frozenset()
    with pytest.raises(OutboundError):
        site.fetcher.get(f"https://{host}:{site.port}/keys")
    with pytest.raises(OutboundError):  # in the clear, so that the server would see it
        site.on_loop(site.fetcher.got(f"http://{host}:{site.port}/keys"))
    assert site.asked == []


def test_it_is_never_asked_on_the_event_loop(site: Site) -> None:
    async def within() -> None:
        site.get("/keys")

    with pytest.raises(RuntimeError, match="wait for itself"):
        site.on_loop(within())
