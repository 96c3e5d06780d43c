"""What a server of the handshake era is told when a call to it was cut: there, a closed connection ends nothing.

MCP 2025-11-25: a disconnect is no cancellation, so `notifications/cancelled` names the request;
and a session that its agent may not use any more is ended with DELETE. Best effort: the agent
was cut off already, and a server need not heed either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from remit.enforcement import era
from remit.enforcement.exchange import Exchange
from remit.enforcement.model import Admitted
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.ports import Upstream
from remit.enforcement.streams import ends
from remit.enforcement.upstream import handshake_headers
from remit.kernel import canonical
from remit.kernel.errors import RemitError
from remit.kernel.names import method_action
from remit.logs import logger
from remit.policy.model import Call

log = logger(__name__)

_SECONDS: Final = 5.0
_REASON: Final = "access was withdrawn"  # no more is any server's business


class Farewell:
    """Tells servers that a call, and perhaps its session, is over."""

    def __init__(self, pipeline: Pipeline, upstream: Upstream) -> None:
        self._pipeline = pipeline
        self._upstream = upstream

    async def say(self, x: Exchange, admitted: Admitted) -> None:
        """Cancel the request of `x` at its server, and end its session if nothing may be asked in it any more."""
        session = x.session
        headers = handshake_headers(x.headers.get(era.VERSION_HEADER), session.upstream if session else None)
        # MCP: a client must not cancel its `initialize`.
        if x.id is not None and x.method != "initialize":
            await self._send(admitted, headers, _cancelled(x), "POST")
        if session is not None and self._over(admitted) and x.ending is not None and x.ending():
            await self._send(admitted, headers, None, "DELETE")

    def _over(self, admitted: Admitted) -> bool:
        """Whether not even a ping would pass: then the whole session is cut, not one tool of it."""
        return ends(self._pipeline.again(least(admitted.call)))

    async def _send(self, admitted: Admitted, headers: Mapping[str, str], data: bytes | None, method: str) -> None:
        if admitted.server is None:
            return
        try:
            async with asyncio.timeout(_SECONDS):
                sending = self._upstream.send(
                    admitted.server, headers=headers, data=data, method=method, call=admitted.call
                )
                async with await sending:
                    pass
        except (RemitError, TimeoutError) as error:
            log.info("a server could not be told of a cut", server=admitted.call.server, detail=repr(error)[:300])


def least(call: Call) -> Call:
    """The least that the same caller may ask of the same server: a ping."""
    return replace(
        call, tool=None, arguments=None, action=method_action(call.server, "ping"), proof=None, resource=None
    )


def _cancelled(x: Exchange) -> bytes:
    params = {"requestId": x.id, "reason": _REASON}
    return canonical.encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
