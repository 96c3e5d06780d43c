"""The forward proxy in the same world: real TLS servers with an authority of their own, real clients."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from blockbuster import blockbuster_ctx
from gateway_world import free_port, token_of  # type: ignore[import-not-found] # beside
from http_world import Api, HttpWorld  # type: ignore[import-not-found] # beside
from tests.authority import OwnAuthority
from tests.prompt_server import serving

from remit.enforcement.forward_proxy import Bounds, ForwardProxy
from remit.enforcement.model import Limits
from remit.enforcement.placeholder import Placeholders
from remit.enforcement.proxy_door import ProxyDoor
from remit.enforcement.proxy_intercept import Intercept
from remit.enforcement.proxy_targets import Targets
from remit.enforcement.proxy_tunnel import Tunnel
from remit.kernel.clock import SECOND
from remit.kernel.names import split_action
from remit.keys.interception import Authority
from remit.outbound.model import Endpoint
from remit.server.proxy import ProxyServer

AUTHORITY = OwnAuthority()
LEAF = AUTHORITY.leaf("localhost", "127.0.0.1", "api.example.test", "other.example.test")


@dataclass
class Secure:
    """An API over TLS."""

    api: Api
    port: int
    accepted: list[Any]  # connections that it got, whatever came of them

    @property
    def at(self) -> str:
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.at}"


class ProxyWorld(HttpWorld):  # type: ignore[misc] # found at run time
    """The world with a forward proxy."""

    bounds = Bounds()

    async def begin(self) -> None:
        await super().begin()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        (self.folder / "leaf.pem").write_bytes(LEAF)
        (self.folder / "api-ca.pem").write_text(AUTHORITY.pem)
        self.authority = Authority(b"\x07" * 32)
        (self.folder / "ca.pem").write_text(self.authority.pem)
        self.placeholders = Placeholders(b"\x08" * 32)
        serving = ProxyServer(host="127.0.0.1", port=0, drain=SECOND, opened=self._opened)
        targets = Targets(
            lambda: [each.server for each in self.facts.view().servers.values()], lambda: self.facts.view().epoch
        )
        intercept = Intercept(
            authority=self.authority, gateway=self.gateway, pipeline=self.pipeline, targets=targets,
            placeholders=self.placeholders, protocol=serving.protocol, clock=self.clock,
        )  # fmt: skip
        self.proxy = serving.proxy = ForwardProxy(
            door=ProxyDoor(self.front, self.tokens, self.clock), pipeline=self.pipeline, targets=targets,
            tunnel=Tunnel(pipeline=self.pipeline, streams=self.streams, dialer=self.outbound), intercept=intercept,
            visible=self._visible, protocol=serving.protocol, bounds=self.bounds,
            handed_over=serving.handed_over,
        )  # fmt: skip
        await serving.start()
        self.stack.push_async_callback(serving.close)
        self.proxy_url = serving.url
        self.proxy_port = int(serving.url.rpartition(":")[2])

    def _opened(self, at: tuple[str, int]) -> None:
        self.outbound.refuse = self.outbound.refuse | {Endpoint(*at)}

    def _visible(self, caller: Any, server: Any) -> bool:
        actions = self.policy.shown(self.facts.view(), caller)
        return server.observed or any(split_action(action)[0] == server.server for action in actions)

    async def secure(self, name: str = "api", **document: Any) -> Secure:
        """Serve an API over TLS and register it."""
        port, listener = free_port()
        found = Secure(Api(), port, [])
        await self.stack.enter_async_context(
            serving(found.api, listener, lifespan="off", ssl_certfile=self.folder / "leaf.pem")
        )
        if document:
            more = {} if document.get("proxy") == "tunnel" else {"ca": AUTHORITY.pem}
            self.register(name, f"https://localhost:{port}", **more, **document)
        return found

    async def connect(self, target: str, *, agent: str = "bot", head: str = "", token: bool = True) -> Raw:
        """A connection to the proxy on which a CONNECT was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy_port)
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if token:
            lines.append(f"Proxy-Authorization: Bearer {token_of(agent, 'i1')}")
        writer.write(("\r\n".join(lines) + "\r\n" + head + "\r\n").encode("latin-1"))
        return self.kept(Raw(reader, writer))

    async def bare(self) -> Raw:
        """A connection to the proxy on which nothing was said."""
        return self.kept(Raw(*await asyncio.open_connection("127.0.0.1", self.proxy_port)))

    def kept(self, raw: Raw) -> Raw:
        """To be closed at the end."""
        self.stack.push_async_callback(raw.closed)
        return raw

    @contextlib.asynccontextmanager
    async def client(self, agent: str = "bot", *, trusts: str | None = None) -> AsyncIterator[Any]:
        """A stock HTTP client behind the proxy: `await get(method, url, ...)` is its status, headers and body."""
        context = ssl.create_default_context(cadata=trusts or self.authority.pem)
        shown = {"Proxy-Authorization": basic(agent, token_of(agent, "i1"))}
        async with aiohttp.ClientSession() as session:

            async def ask(method: str, url: str, **more: Any) -> tuple[int, Any, bytes]:
                more.setdefault("ssl", context)
                if url.startswith("http:"):  # such a client shows a proxy what it knows only where it connects
                    more["headers"] = shown | more.get("headers", {})
                async with session.request(method, url, proxy=self.proxy_url, proxy_headers=shown, **more) as response:
                    return response.status, response.headers, await response.read()

            yield ask

    async def curl(self, *arguments: str, agent: str = "bot") -> tuple[int, str, str]:
        """A real curl behind the proxy: exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            "curl", "-sS", "--max-time", "20", "-q", "-x", self.proxy_url,
            "-U", f"{agent}:{token_of(agent, 'i1')}", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()


@dataclass
class Raw:
    """A client's end of a connection to the proxy, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> tuple[int, str]:
        """The status of its answer, and its whole head."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode()
        return int(head.split()[1]), head

    async def rest(self) -> bytes:
        """All that comes until it ends."""
        try:
            return await asyncio.wait_for(self.reader.read(), 20)
        except ConnectionError:
            return b""

    async def tls(self, name: str | None, authority: str) -> None:
        """Begin TLS in it, as a client that trusts `authority`."""
        context = ssl.create_default_context(cadata=authority)
        context.check_hostname = name is not None
        await self.writer.start_tls(context, server_hostname=name or "")

    async def ask(self, text: str) -> bytes:
        """Say something, and all that comes back until it ends."""
        self.writer.write(text.encode("latin-1"))
        return await self.rest()

    def close(self) -> None:
        self.writer.transport.abort()

    async def closed(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def run_proxied(
    scenario: Callable[[Any], Coroutine[Any, Any, None]], *, limits: Limits | None = None, bounds: Bounds | None = None
) -> None:
    """Run `scenario` in a world with a forward proxy, on an event loop where a blocking call of Remit's fails."""

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            world = ProxyWorld(stack, limits or Limits(), None)
            if bounds is not None:
                world.bounds = bounds
            await world.begin()
            await scenario(world)

    with blockbuster_ctx(scanned_modules=["remit"]):
        asyncio.run(main())
