"""A bare connection for bytes that Remit does not read: to an address that was judged, and to no other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from remit.outbound.model import Endpoint, OutboundFailed
from remit.outbound.resolve import PinnedResolver

Dialled = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_BUFFER: Final = 1 << 16


async def dialled(resolver: PinnedResolver, asked: Endpoint, *, seconds: float) -> Dialled:
    """Connect to `asked`, trying its addresses in the resolver's order.

    Each was judged before the first packet; what is dialled is the number, so a name that answers differently
    meanwhile (DNS rebinding) gains nothing. The peer is judged once more, under the rule as it is then.

    Raises:
        OutboundRefused: It may not be called. No packet was sent.
        OutboundFailed: No address answered in time.
    """
    try:
        async with asyncio.timeout(seconds):
            found = await resolver.resolve(asked.host, asked.port)
            *others, last = found
            for each in others:
                with suppress(OSError):
                    return await _connected(resolver, each["host"], asked)
            return await _connected(resolver, last["host"], asked)
    except TimeoutError as error:
        raise OutboundFailed("the server timed out", sent=False, detail=f"{asked.host}:{asked.port}") from error
    except OSError as error:
        detail = f"{asked.host}:{asked.port}: {error}"[:500]
        raise OutboundFailed("the server could not be reached", sent=False, detail=detail) from error


async def _connected(resolver: PinnedResolver, address: str, asked: Endpoint) -> Dialled:
    reader, writer = await asyncio.open_connection(address, asked.port, limit=_BUFFER)
    peer = writer.get_extra_info("peername")
    if peer is None:
        raise ConnectionResetError("the connection was closed before it was used")
    try:
        resolver.rule.check(peer[0], asked)
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer
