"""Remit's own resource on every server: the mandate, in which an agent reads what it may do there.

Answered here and never forwarded. A server's own resource of that name is never asked for, and never listed.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from remit.enforcement import denials
from remit.enforcement.exchange import Exchange
from remit.enforcement.model import Admitted, Outcome
from remit.enforcement.ports import Mandates
from remit.enforcement.relay import Carried, Relay
from remit.enforcement.server_messages import Finished
from remit.kernel import canonical
from remit.policy.schema import MANDATE_URI

LIST: Final = "resources/list"
READ: Final = "resources/read"
_JSON: Final = "application/json"
MANDATE: Final = {
    "uri": MANDATE_URI,
    "name": "mandate",
    "title": "What you may do here",
    "description": "Tools you may call here now, with which arguments, what is left of their limits, and until when",
    "mimeType": _JSON,
}


class OwnResources:
    """Answers an admitted `resources/read` of the mandate."""

    def __init__(self, relay: Relay, mandates: Mandates) -> None:
        self._relay = relay
        self._mandates = mandates

    async def answer(self, x: Exchange, admitted: Admitted) -> None:
        """Answer the agent, and record that it was answered."""

        async def work() -> Carried:
            body = await self._mandate(x)
            return Carried(Finished(denials.result(x.id, complete(body, modern=x.modern)), Outcome.OK))

        await self._relay.deliver(x, admitted, work)

    async def _mandate(self, x: Exchange) -> dict[str, Any]:
        found = await asyncio.to_thread(self._mandates.of, x.caller, server=x.server)
        text = canonical.encode(found).decode("utf-8")
        return {"contents": [{"uri": MANDATE_URI, "mimeType": _JSON, "text": text}]}


def complete(body: dict[str, Any], *, modern: bool) -> dict[str, Any]:
    """A result, never to be kept or shared: what an agent may do can change at any moment."""
    return {**body, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if modern else body
