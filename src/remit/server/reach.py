"""Which private addresses may be dialled: those in the URL of a registered server or a declared system, no others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

from remit.catalog.injection import OauthClient, OauthUser
from remit.catalog.model import Kind, PinState, Server
from remit.catalog.ports import Lister, Unreached
from remit.outbound.model import Endpoint, OutboundRefused, endpoint


class Allowing(Protocol):
    """The part of `Outbound` that is told what operators wrote."""

    allow: frozenset[Endpoint]


@dataclass(slots=True)
class Reach:
    """Keeps the way out as wide as the catalog, and no wider. Implements remit.catalog.ports.Lister.

    A server that is being applied is not in the catalog yet: while it is asked for its tools,
    its own host and port are open, and after that only if it was registered.
    """

    outbound: Allowing
    servers: Callable[[], Iterable[Server]]
    lister: Lister | None = None
    written: Callable[[], Iterable[Endpoint]] = tuple  # of declared systems, which are no servers
    _asked: Counter[Endpoint] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def follow(self, _epoch: int, topics: tuple[str, ...], _connection: Connection) -> None:
        """What to subscribe to the feed, after the view."""
        if any(topic.startswith("server:") or topic == "systems" for topic in topics):
            self.renew()

    def renew(self) -> None:
        """Open what is registered or being asked, and close the rest."""
        with self._lock:
            servers = list(self.servers())
            registered = {endpoint(server.url) for server in servers if not server.command}
            registered |= {endpoint(url) for each in servers for url in _written_beside(each)}
            self.outbound.allow = frozenset(registered | set(self.written()) | set(+self._asked))

    def list_tools(self, server: Server) -> list[dict[str, Any]]:
        """Ask a server for its tools, registered or not. An HTTP server's are what its document said of them."""
        if server.kind is Kind.HTTP:
            standing = [tool for tool in server.tools.values() if tool.state is not PinState.GONE]
            return [dict(tool.seen or tool.definition) for tool in standing]
        if self.lister is None:
            raise Unreached("servers cannot be asked yet")
        if server.command:
            return self.lister.list_tools(server)  # it has no address
        try:
            at = endpoint(server.url)
        except OutboundRefused as error:
            raise Unreached(error.public, detail=error.detail, again=False) from error
        with self._open(at):
            return self.lister.list_tools(server)

    @contextmanager
    def _open(self, at: Endpoint) -> Iterator[None]:
        self._asked[at] += 1
        self.renew()
        try:
            yield
        finally:
            self._asked[at] -= 1
            self.renew()


def _written_beside(server: Server) -> Iterator[str]:
    """The addresses of a credential's own authorization server, which Remit itself calls."""
    credential = server.credential
    if isinstance(credential, OauthClient | OauthUser):
        yield credential.token_url
    if isinstance(credential, OauthUser) and credential.revoke_url:
        yield credential.revoke_url
