"""Outgoing HTTP: one pooled client that dials only judged addresses and follows nothing.

No redirects, no proxies or credentials from the environment, no cookies, no decompression,
no headers of its own, and no request is ever sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import NamedTuple

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from remit.outbound.judge import reach
from remit.outbound.model import Endpoint, OutboundFailed, OutboundRefused, target
from remit.outbound.resolve import PinnedResolver, Rule
from remit.outbound.response import FAILURES, Headers, Response, exchange, written

ORDINARY = aiohttp.ClientTimeout(total=None, connect=5, sock_connect=5, sock_read=60)
# Shorter than the 5 s after which uvicorn and Node close idle connections: a request written
# while the peer closes may or may not have been read, and could not be repeated.
_KEEPALIVE = 4.0
_CONNECTIONS = 4096
_DNS_SECONDS = 10
_ROUTES = 1024  # URLs whose parts are kept


class _Route(NamedTuple):
    """What stays the same in every request to a URL."""

    asked: Endpoint
    path: str
    host: str
    dialled: ClientRequest  # what a connector is asked for; nothing of a single request is in it


class _JudgingConnector(aiohttp.TCPConnector):
    """Judges the peer of a connection once more before a request is written to it.

    The address was judged before it was dialled; this also covers addresses written in
    the URL itself, and pooled connections made under an older rule.
    """

    def __init__(self, resolver: PinnedResolver) -> None:
        super().__init__(
            resolver=resolver,
            limit=_CONNECTIONS,
            keepalive_timeout=_KEEPALIVE,
            ttl_dns_cache=_DNS_SECONDS,
        )
        self._pinned = resolver

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            self._judge(connection, Endpoint(str(req.url.raw_host).lower(), int(req.url.port or 0)))
        except BaseException:
            connection.close()
            raise
        return connection

    def _judge(self, connection: Connection, asked: Endpoint) -> None:
        transport = connection.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        if peer is None:
            raise aiohttp.ClientConnectionError("the connection was closed before it was used")
        self._pinned.rule.check(peer[0], asked)


class Outbound:
    """The one way out. Open it with a first request, on one event loop; close it on the same.

    Args:
        allow: Hosts and ports that an operator wrote (`endpoint(url)`): these very spellings
            may be private or loopback addresses.
        refuse: Remit's own listeners: never called, however they are spelled.
    """

    def __init__(
        self, *, allow: Collection[tuple[str, int]] = frozenset(), refuse: Collection[tuple[str, int]] = frozenset()
    ) -> None:
        self._resolver = PinnedResolver(Rule(allow, refuse))
        self._connector: _JudgingConnector | None = None
        self._routes: dict[str, _Route] = {}

    @property
    def allow(self) -> frozenset[Endpoint]:
        """What operators wrote; assign a whole new set when it changes."""
        return self._resolver.rule.allow

    @allow.setter
    def allow(self, allow: Collection[tuple[str, int]]) -> None:
        self._resolver.rule = Rule(allow, self._resolver.rule.refuse)

    @property
    def refuse(self) -> frozenset[Endpoint]:
        """Remit's own listeners; assign when they are known."""
        return self._resolver.rule.refuse

    @refuse.setter
    def refuse(self, refuse: Collection[tuple[str, int]]) -> None:
        self._resolver.rule = Rule(self._resolver.rule.allow, refuse)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        data: bytes | None = None,
        timeout: aiohttp.ClientTimeout = ORDINARY,  # noqa: ASYNC109 - handed to aiohttp, which knows connect from read
    ) -> Response:
        """Send one request and return the answer with its body unread; release or close it.

        A redirect is returned as it is.

        Raises:
            OutboundRefused: The destination may not be called. Nothing was sent.
            OutboundFailed: No answer; `sent` says whether bytes may have left.
        """
        connector, route = self._open(), self._route(url)
        self._refuse_literal(route.asked)
        connected = False
        try:
            request = written(method, route.path, route.host, headers, data)
            connection = await connector.connect(route.dialled, [], timeout)
            connected = True
            try:
                return await exchange(connection, request, method, silence=timeout.sock_read)
            except BaseException:
                connection.close()
                raise
        except OutboundRefused:
            raise
        except FAILURES as error:
            raise _failed(error, route.asked, connected=connected) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._connector is not None:
            await self._connector.close()
            self._connector = None
            self._routes.clear()

    def _refuse_literal(self, asked: Endpoint) -> None:
        """An address written in the URL does not pass the resolver, so it is judged here, before the dial."""
        try:
            reach(asked.host)
        except ValueError:
            return  # a name: the resolver judges what it stands for
        self._resolver.rule.check(asked.host, asked)

    def _open(self) -> _JudgingConnector:
        if self._connector is None:
            self._connector = _JudgingConnector(self._resolver)
        return self._connector

    def _route(self, url: str) -> _Route:
        found = self._routes.get(url)
        if found is None:
            parsed, asked = target(url)
            dialled = ClientRequest("POST", parsed, loop=asyncio.get_running_loop())
            found = _Route(asked, parsed.raw_path_qs, dialled.headers["Host"], dialled)
            if len(self._routes) >= _ROUTES:
                self._routes.clear()
            self._routes[url] = found
        return found


def _failed(error: Exception, asked: Endpoint, *, connected: bool) -> OutboundFailed:
    detail = f"{asked.host}:{asked.port}: {type(error).__name__}: {error}"[:500]
    if not connected:
        reason = "timed out" if isinstance(error, asyncio.TimeoutError) else "could not be reached"
        return OutboundFailed(f"the server {reason}", sent=False, detail=detail)
    reason = "did not answer in time" if isinstance(error, asyncio.TimeoutError) else "closed the connection"
    return OutboundFailed(f"the server {reason}", sent=True, detail=detail)
