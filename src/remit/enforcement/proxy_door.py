"""Who stands at the forward proxy's door, and how often somebody there may be wrong."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from remit.attestation.model import Caller
from remit.enforcement.ports import Tokens
from remit.enforcement.proxy_head import Destination, shown
from remit.kernel.clock import SECOND, Clock
from remit.storage.model import ConsumeProof
from remit.tokens.check import TokenInvalid
from remit.tokens.refusals import Budget

RESOURCE: Final = "/proxy"  # what a token for the proxy alone names, below this deployment's URL
_BURST: Final = 30
_EVERY: Final = SECOND
_PEERS: Final = 4096


class ProxyDoor:
    """Checks what a request to the proxy shows.

    Args:
        base: This deployment's own URL, without a trailing slash.
        tokens: Says who makes a request.
        clock: Where `now` comes from.
    """

    def __init__(self, base: str, tokens: Tokens, clock: Clock) -> None:
        self._base = base
        self._tokens = tokens
        self._clock = clock
        self._wrong: OrderedDict[str, Budget] = OrderedDict()

    def caller(
        self, headers: Mapping[bytes, bytes], *, method: str, where: Destination, path: str = ""
    ) -> tuple[Caller, ConsumeProof | None]:
        """Who asks, and the proof to consume with what is decided.

        A proof is made for `BASE/proxy/HOST:PORT` and the path that is asked for, so that it is good for no other
        destination (RFC 9449 section 4.2: `htu`).

        Raises:
            Malformed: The credentials have no one reading.
            TokenInvalid: There are none, or they are no good.
        """
        said = shown(headers)
        caller, proof = self._tokens.check(
            authorization=said.authorization, dpop=said.dpop, method=method,
            url=f"{self._base}{RESOURCE}/{where.authority}{path}", audiences={self._base, self._base + RESOURCE},
            now=self._clock.now(),
        )  # fmt: skip
        if said.name is not None and said.name != caller.agent:
            raise TokenInvalid("invalid_token", "the token is another agent's", "Bearer")
        return caller, proof

    def wrong_once_more(self, peer: str) -> bool:
        """Count a bad token of `peer`; whether it had too many. A good one is let in all the same.

        Several agents of one machine share an address: none can lock out another.
        """
        budget = self._wrong.get(peer)
        if budget is None:
            budget = self._wrong[peer] = Budget(every=_EVERY, burst=_BURST)
            if len(self._wrong) > _PEERS:
                self._wrong.popitem(last=False)
        self._wrong.move_to_end(peer)
        return budget.take(self._clock.now()) is None
