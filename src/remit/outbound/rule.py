"""Which addresses may be dialled: what an operator wrote, what is Remit's own, and what nobody ever calls."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress

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
        for own in self.refuse:
            if own.port == asked.port and _listens(own.host, address):
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
