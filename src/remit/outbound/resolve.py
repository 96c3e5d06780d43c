"""From a name to addresses that may be dialled, all judged; those and no others are then dialled.

The answer is pinned: what was judged is what the connection is made to, so a name that
answers differently a moment later (DNS rebinding) gains nothing. A name with one bad
address among good ones is refused whole: that mixture is how rebinding looks.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress

from aiohttp.abc import AbstractResolver, ResolveResult

from remit.outbound.judge import Reach, plain, reach
from remit.outbound.model import Endpoint, OutboundRefused

_LOOPBACK_NAMES = frozenset({"localhost", "localhost."})


class Rule:
    """What an operator allowed, and what is Remit's own. Both are replaced whole."""

    def __init__(self, allow: Iterable[tuple[str, int]], refuse: Iterable[tuple[str, int]]) -> None:
        self.allow = frozenset(Endpoint(host.lower(), port) for host, port in allow)
        self.refuse = frozenset(Endpoint(host.lower(), port) for host, port in refuse)

    def check(self, address: str, asked: Endpoint) -> None:
        """Refuse `address` unless a call to `asked` may be made to it.

        Raises:
            OutboundRefused: It may not.
        """
        how_far = reach(address)
        if how_far is Reach.NEVER:
            raise OutboundRefused(
                "metadata, link-local and group addresses are never called", detail=f"{asked} {address}"
            )
        if how_far is Reach.PRIVATE and asked not in self.allow:
            raise OutboundRefused("a private address that no operator wrote is not called", detail=f"{asked} {address}")
        # A call to Remit itself would be a call past the gateway, or one that never ends.
        if any(own.port == asked.port and _listens(own.host, address) for own in self.refuse):
            raise OutboundRefused("Remit does not call itself", detail=f"{asked} {address}")


def _listens(own: str, address: str) -> bool:
    """Whether a listener bound to `own` is what answers at `address`."""
    dialled = plain(address)
    if own in _LOOPBACK_NAMES:
        return dialled.is_loopback
    bound = plain(own)
    if bound.is_unspecified:
        return dialled.is_loopback or _is_mine(address)
    return bound == dialled


def _is_mine(address: str) -> bool:
    """Whether this machine has `address`: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return True
    return False


class PinnedResolver(AbstractResolver):
    """Resolves with the system's resolver and lets through only addresses that the rule allows."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The judged addresses of `host`, as numbers.

        Raises:
            OutboundRefused: One of them may not be dialled.
            OSError: The name does not resolve.
        """
        found = await self._lookup(host, port, family)
        asked = Endpoint(host.lower(), port)
        for _, address in found:
            self.rule.check(address, asked)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=of,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for of, address in found
        ]

    async def _lookup(self, host: str, port: int, family: socket.AddressFamily) -> Collection[tuple[int, str]]:
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        found = {(int(info[0]), str(info[4][0])): None for info in infos}
        if not found:
            raise OSError(None, f"{host} has no address")
        return found.keys()

    async def close(self) -> None:
        """Nothing is held."""
