"""The client under `session`: a pool of connections of aiohttp's, each judged again before it is written to.

Apart from it because aiohttp takes a tenth of a second to load, and a server that calls nobody yet is ready without.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from remit.outbound.dial import Dialled, dialled
from remit.outbound.idle import MOST, Idle
from remit.outbound.judge import reach
from remit.outbound.model import Endpoint, OutboundFailed, OutboundRefused, Patience, Streamed
from remit.outbound.model import target as parsed_target
from remit.outbound.resolve import PinnedResolver
from remit.outbound.response import FAILURES, Headers, Response, exchange, written
from remit.outbound.rule import Rule

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
    dialled: _Dialled  # what a connector is asked for; nothing of a single request is in it
    back: Callable[[Connection], None]  # where a connection goes whose answer was read


class _Dialled(ClientRequest):
    """What a connector is asked for, with the host and port that it is."""

    asked: Endpoint


class _JudgingConnector(aiohttp.TCPConnector):
    """Judges the peer of a connection once more before a request is written to it.

    The address was judged before it was dialled; this also covers addresses written in
    the URL itself, and pooled connections made under an older rule.
    """

    def __init__(self, resolver: PinnedResolver) -> None:
        super().__init__(
            resolver=resolver,
            limit=_CONNECTIONS + MOST,  # for it, those that wait are in use
            keepalive_timeout=_KEEPALIVE,
            ttl_dns_cache=_DNS_SECONDS,
        )
        self._pinned = resolver

    async def connect(
        self,
        req: _Dialled,  # type: ignore[override]  # the pool asks with nothing else
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        return self.judged(await super().connect(req, traces, timeout), req.asked)

    def judged(self, connection: Connection, asked: Endpoint) -> Connection:
        """`connection`, closed and refused if what is at its other end may not be called now."""
        try:
            self._judge(connection, asked)
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


class Pool:
    """Connections on one event loop. `rule` is replaced whole when it changes."""

    def __init__(self, rule: Rule) -> None:
        self._resolver = PinnedResolver(rule)
        self._connector = _JudgingConnector(self._resolver)
        self._idle = Idle(_KEEPALIVE)
        self._routes: dict[tuple[str, ssl.SSLContext | None], _Route] = {}

    @property
    def rule(self) -> Rule:
        """What may be dialled."""
        return self._resolver.rule

    @rule.setter
    def rule(self, rule: Rule) -> None:
        self._resolver.rule = rule

    async def request(
        self, method: str, url: str, *, headers: Headers, data: bytes | Streamed | None, patience: Patience,
        target: str | None = None, certificate: ssl.SSLContext | None = None,
    ) -> Response:  # fmt: skip
        """As `Outbound.request`."""
        route = self._route(url, certificate)
        self._refuse_literal(route.asked)
        connected = False
        try:
            request = written(method, route.path if target is None else target, route.host, headers, data)
            connection = self._idle.take(route.dialled)
            if connection is None:
                connection = await self._connector.connect(route.dialled, [], _timeout(patience.dial))
            else:
                self._connector.judged(connection, route.asked)
            connected = True
            try:
                body = data if isinstance(data, Streamed) else None
                return await exchange(connection, request, method, silence=patience.silence, body=body, back=route.back)
            except BaseException:
                connection.close()
                raise
        except OutboundRefused:
            raise
        except FAILURES as error:
            raise _failed(error, route.asked, connected=connected) from error

    async def dial(self, url: str, *, patience: Patience) -> Dialled:
        """As `Outbound.dial`."""
        _, asked = parsed_target(url)
        self._refuse_literal(asked)
        return await dialled(self._resolver, asked, seconds=patience.dial)

    async def close(self) -> None:
        """Close all connections."""
        self._idle.close()
        await self._connector.close()

    def _refuse_literal(self, asked: Endpoint) -> None:
        """An address written in the URL does not pass the resolver, so it is judged here, before the dial."""
        if not _named(asked.host):
            self._resolver.rule.check(asked.host, asked)

    def _route(self, url: str, certificate: ssl.SSLContext | None) -> _Route:
        found = self._routes.get((url, certificate))
        if found is None:
            parsed, asked = parsed_target(url)
            # What a connection shows of itself is part of what it is pooled by.
            shown = True if certificate is None else certificate
            dialled = _Dialled("POST", parsed, loop=asyncio.get_running_loop(), ssl=shown)
            dialled.asked = asked
            back = partial(self._idle.keep, dialled)
            found = _Route(asked, parsed.raw_path_qs, dialled.headers["Host"], dialled, back)
            if len(self._routes) >= _ROUTES:
                self._routes.clear()
            self._routes[url, certificate] = found
        return found


@lru_cache(maxsize=1024)  # to find out that a name is no address takes an exception
def _named(host: str) -> bool:
    """Whether it is a name, which the resolver judges, and no address."""
    try:
        reach(host)
    except ValueError:
        return True
    return False


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=seconds)


def _failed(error: Exception, asked: Endpoint, *, connected: bool) -> OutboundFailed:
    detail = f"{asked.host}:{asked.port}: {type(error).__name__}: {error}"[:500]
    if not connected:
        reason = "timed out" if isinstance(error, asyncio.TimeoutError) else "could not be reached"
        return OutboundFailed(f"the server {reason}", sent=False, detail=detail)
    reason = "did not answer in time" if isinstance(error, asyncio.TimeoutError) else "closed the connection"
    return OutboundFailed(f"the server {reason}", sent=True, detail=detail)
