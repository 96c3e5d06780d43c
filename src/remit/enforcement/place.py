"""Which Host and Origin mean this deployment (pure): a web page can send a browser here, but cannot choose these."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


class Place:
    """The names that this deployment goes by.

    Args:
        base: Its own URL, without a trailing slash.
        hosts: Further values of `Host` that mean it.
    """

    def __init__(self, base: str, *, hosts: Collection[str] = ()) -> None:
        parts = urlsplit(base)
        own = {parts.netloc.lower(), *hosts}
        if parts.netloc.rpartition(":")[0] in _LOOPBACK:
            own |= _loopback(parts.port)
        self._hosts = frozenset(own)
        self._origins = frozenset({base, *(f"{parts.scheme}://{host}" for host in own)})

    def misplaced(self, host: str | None, origin: str | None, *, at: tuple[str, int] | None = None) -> bool:
        """Whether a web page was led to make a request (DNS rebinding). It is refused as 403 `forbidden`.

        Args:
            host: The request's `Host`.
            origin: Its `Origin`; clients that are no browser send none.
            at: The address and port it came in at, if that may stand for a name too: a probe calls by it, and
                a page that was rebound to it still says its own name.
        """
        named = (host or "").lower()
        here = named in self._hosts
        if not here and at is not None:
            here = named in _names_of(*at)
        if not here:
            return True
        return not (origin is None or origin in self._origins or (at is not None and origin == f"http://{named}"))


def _names_of(address: str, port: int) -> frozenset[str]:
    try:
        literal = ip_address(address.partition("%")[0])
    except ValueError:
        return frozenset()
    written = f"[{literal}]:{port}" if literal.version == 6 else f"{literal}:{port}"  # noqa: PLR2004 - IPv6
    return _loopback(port) | {written} if literal.is_loopback else frozenset({written})


def _loopback(port: int | None) -> frozenset[str]:
    return frozenset(f"{name}:{port}" for name in _LOOPBACK)
