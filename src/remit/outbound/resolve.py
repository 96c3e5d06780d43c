"""From a name to addresses that may be dialled, all judged; those and no others are then dialled.

The answer is pinned: what was judged is what the connection is made to, so a name that
answers differently a moment later (DNS rebinding) gains nothing. A name with one bad
address among good ones is refused whole: that mixture is how rebinding looks.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection

from aiohttp.abc import AbstractResolver, ResolveResult

from remit.outbound.model import Endpoint
from remit.outbound.rule import Rule


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
