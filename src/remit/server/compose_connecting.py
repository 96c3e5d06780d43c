"""Puts together what people lend of their own accounts, and the way to authorization servers that are not Remit's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from remit.outbound.model import OutboundFailed
from remit.outbound.session import Outbound
from remit.server.connecting import Connecting
from remit.server.ground import Ground
from remit.server.lending import Lending
from remit.vault.connections import Connections
from remit.vault.token_endpoint import Post
from remit.vault.user_tokens import UserTokens

_MOST = 64 * 1024  # bytes of a token endpoint's answer


def connecting(ground: Ground, outbound: Outbound, loop: Callable[[], asyncio.AbstractEventLoop]) -> Connecting:
    """The connections as they stand, which follow the feed from here on. `loop` is where `outbound` runs."""
    database, clock = ground.database, ground.clock
    connections = Connections(ground.keys, records=ground.records, clock=clock)
    database.feed.subscribe(connections.follow, connections.reload)
    database.reader.read(connections.reload)
    sends, lending = post(outbound), Lending(connections=connections, writer=database.writer)
    return Connecting(
        base=ground.base, view=ground.facts.view, servers=ground.servers, lending=lending,
        users=UserTokens(sends, lending, clock), lend=ground.vault.lend_for, post=sends, loop=loop, clock=clock,
    )  # fmt: skip


def post(outbound: Outbound) -> Post:
    """What sends a form to a token endpoint."""

    async def sent(url: str, headers: dict[str, str], form: bytes) -> tuple[int, bytes]:
        response = await outbound.request("POST", url, headers=headers, data=form)
        try:
            body = bytearray()
            while chunk := await response.some():
                body += chunk
                if len(body) > _MOST:
                    raise OutboundFailed("the token endpoint's answer is too large", sent=True)
        finally:
            response.close()
        return response.status, bytes(body)

    return sent
