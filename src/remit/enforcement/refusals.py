"""How the MCP gateway says no to an agent: denied, refused without a decision, or not authenticated."""

from __future__ import annotations

from remit.enforcement import asgi, denials
from remit.enforcement.door import Door
from remit.enforcement.exchange import Exchange
from remit.enforcement.model import Admitted, EnforcementUnavailable
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.relay import Relay
from remit.kernel import canonical
from remit.policy.model import Code
from remit.tokens.check import TokenInvalid


class Refusals:
    """Answers what is not served, each once its record is durable."""

    def __init__(self, *, door: Door, pipeline: Pipeline, relay: Relay) -> None:
        self._door = door
        self._pipeline = pipeline
        self._relay = relay

    async def denied(self, x: Exchange, admitted: Admitted, path: str, status: int = 200) -> None:
        """Answer a call whose decision is no."""
        denial = admitted.answer.denial
        if denial is not None and denial.code is Code.REPLAYED_PROOF:
            await self._replayed(x, path)
            return
        if x.message is not None and x.message.notification:
            status = 403
        hidden = denial is None or denial.code is Code.NOT_VISIBLE
        if hidden and x.modern and x.method not in denials.NAMED_UNKNOWN:
            status = 404
        await x.finish(self._relay.refusal(x, admitted, admitted.answer), status)

    async def refused(self, x: Exchange, path: str, reason: str, body: bytes, status: int = 200, **said: str) -> None:
        """Answer what is refused without a decision, once that is recorded and its proof used.

        After a decision nothing is left to record: header and body may differ, or an id be taken, in a call that
        was let through, and its outcome says that it was not sent.
        """
        if x.decided:
            await x.finish(body, status)
            return
        try:
            used = await self._pipeline.refuse(
                x.caller, x.proof, server=x.server, reason=reason, method=x.method[:128], **said
            )
        except EnforcementUnavailable as error:
            await x.finish(denials.unavailable(x.id, error.told))
            return
        if used:
            await x.finish(body, status)
        else:
            await self._replayed(x, path)

    async def misplaced(self, send: asgi.Send) -> None:
        """Answer what a web page had a browser ask (DNS rebinding), once that is recorded."""
        try:
            await self._pipeline.doorstep.misplaced(door="mcp")
        except EnforcementUnavailable:
            await asgi.answer(send, 200, denials.unavailable(None), asgi.JSON)
            return
        await asgi.answer(send, 403, denials.bad_request("Host or Origin is not this server's"))

    async def unauthenticated(self, send: asgi.Send, error: TokenInvalid, path: str, server: str) -> None:
        """Answer who showed no token or proof, or no good one, once that is recorded."""
        try:
            await self._pipeline.doorstep.turn_away(error, server=server, door="mcp")
        except EnforcementUnavailable:
            await asgi.answer(send, 200, denials.unavailable(None), asgi.JSON)
            return
        await self._challenged(send, error, path)

    async def _challenged(self, send: asgi.Send, error: TokenInvalid, path: str) -> None:
        headers = [*asgi.JSON, *self._door.challenge(error, path)]
        body = {"error": error.error or "unauthenticated", "error_description": error.description}
        await asgi.answer(send, 401, canonical.encode(body), headers)

    async def _replayed(self, x: Exchange, path: str) -> None:
        # RFC 9449 section 11.1: a proof is good for one request.
        error = TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")
        self._pipeline.metrics.refused.labels(error.error).inc()
        await self._challenged(x.send, error, path)
