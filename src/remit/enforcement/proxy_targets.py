"""Which registered servers stand at a host and port, for the forward proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from remit.catalog.model import Kind, Proxied, Server
from remit.catalog.url import endpoint
from remit.enforcement.proxy_head import Destination

Index = dict[tuple[str, int, bool], tuple[Server, ...]]


def index(servers: Iterable[Server]) -> Index:
    """The servers that are reached through the proxy, by host, port and whether over TLS.

    Several may share a place where each is intercepted, told apart by the paths of their URLs. Where one of them is
    tunnelled nobody can tell which is meant, and none is reached.
    """
    found: Index = {}
    for server in sorted(servers, key=lambda each: each.server):
        if server.kind is Kind.HTTP and server.proxy is not None:
            key = (*endpoint(server.url), server.url.startswith("https://"))
            found[key] = (*found.get(key, ()), server)
    return {
        key: each
        for key, each in found.items()
        if len(each) == 1 or all(server.proxy is Proxied.INTERCEPT for server in each)
    }


def below(servers: Iterable[Server], path: bytes) -> tuple[Server, bytes] | None:
    """The server whose URL's path a request's begins with, the longest, and the rest of the path; None if none does.

    Compared as it came: a path whose beginning is spelled otherwise is none of theirs.
    """
    best: tuple[int, Server, bytes] | None = None
    for server in servers:
        base = _path(server)
        rest = path[len(base) :]
        if path.startswith(base) and rest.startswith(b"/") and (best is None or len(base) > best[0]):
            best = (len(base), server, rest)
    return None if best is None else best[1:]


def here(server: Server, where: Destination) -> str:
    """The URL under which an agent behind the proxy reaches `server`: its own."""
    scheme = server.url.partition("://")[0]
    standard = {"https": 443, "http": 80}[scheme] == where.port
    host = where.authority.rpartition(":")[0] if standard else where.authority
    return f"{scheme}://{host}{_path(server).decode('ascii')}"


class Targets:
    """The index of the newest view.

    Args:
        servers: All registered servers.
        epoch: The newest view's epoch.
    """

    def __init__(self, servers: Callable[[], Iterable[Server]], epoch: Callable[[], int]) -> None:
        self._servers = servers
        self._epoch = epoch
        self._known: tuple[int, Index] | None = None

    def at(self, where: Destination, *, secure: bool) -> tuple[Server, ...]:
        """The servers at a destination; none if nobody registered it."""
        epoch = self._epoch()
        if self._known is None or self._known[0] != epoch:
            self._known = (epoch, index(self._servers()))
        return self._known[1].get((where.host, where.port, secure), ())


def _path(server: Server) -> bytes:
    return _path_of(server.url)


@lru_cache(maxsize=1024)  # the same few at every request
def _path_of(url: str) -> bytes:
    path = url.partition("://")[2].partition("/")[2].rstrip("/")
    return f"/{path}".encode("ascii") if path else b""
