"""The forward proxy's listener: its socket, its HTTP connections, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.server import ServerState

from remit.enforcement.forward_proxy import ForwardProxy
from remit.kernel.clock import SECOND, Micros
from remit.kernel.errors import ConfigInvalid
from remit.server.local_proxy import LocalProxy
from remit.server.wire_proxy import ProxyProtocol

if TYPE_CHECKING:
    from remit.enforcement.proxy_intercept import HttpProtocol

_BACKLOG = 1024
_KEEP_ALIVE = 75  # seconds, as the server's own listener


async def _nobody(_scope: object, _receive: object, _send: object) -> None:
    """The application of a connection before it has one."""


@dataclass(slots=True, kw_only=True)
class ProxyServer:
    """One listener on this machine's loopback address.

    Args:
        host: The address.
        port: The port; 0 takes any free one.
        drain: How long open requests may take to end.
        opened: Told the address that it listens on.
    """

    host: str
    port: int
    drain: int
    opened: Callable[[tuple[str, int]], None]
    url: str = ""
    _proxy: ForwardProxy | None = None
    _local: LocalProxy | None = None
    _server: asyncio.Server | None = None
    _state: ServerState = field(default_factory=ServerState)
    _config: uvicorn.Config | None = None

    @property
    def proxy(self) -> ForwardProxy:
        """What serves its connections."""
        if self._proxy is None:
            raise RuntimeError("nothing is served yet")
        return self._proxy

    @proxy.setter
    def proxy(self, proxy: ForwardProxy) -> None:
        self._proxy = proxy

    @property
    def local(self) -> LocalProxy:
        """What runs of this machine are told."""
        if self._local is None:
            raise RuntimeError("nothing is told yet")
        return self._local

    @local.setter
    def local(self, local: LocalProxy) -> None:
        self._local = local

    def protocol(self) -> HttpProtocol:
        """A server's side of HTTP/1.1 for one connection."""
        if self._config is None:
            self._config = uvicorn.Config(
                _nobody, loop="none", http=ProxyProtocol, ws="none", lifespan="off", log_config=None,
                access_log=False, server_header=False, proxy_headers=False, timeout_keep_alive=_KEEP_ALIVE,
            )  # fmt: skip
            self._config.load()
        return ProxyProtocol(config=self._config, server_state=self._state, app_state={})

    def handed_over(self) -> int:
        """How many connections are served over HTTP now."""
        return len(self._state.connections)

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigInvalid: The address cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self.proxy.accept, self.host, self.port, backlog=_BACKLOG)
        except OSError as error:
            raise ConfigInvalid(
                f"the forward proxy cannot listen on {self.host}:{self.port}",
                detail=error.strerror or str(error), try_="--proxy 127.0.0.1:0 takes any free port",
            ) from error  # fmt: skip
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.opened((host, port))

    async def close(self) -> None:
        """Stop: requests have until the end of the drain, tunnels end at once."""
        if self._server is None:
            return
        self._server.close()
        await self.proxy.close()
        for protocol in list(self._state.connections):
            protocol.shutdown()
        if self._state.tasks:
            await asyncio.wait(set(self._state.tasks), timeout=Micros(self.drain) / SECOND)
        for protocol in list(self._state.connections):
            protocol.transport.abort()
        for task in list(self._state.tasks):
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
