"""How the HTTP gateway says no to an agent: denied, refused without a decision, or not authenticated."""

from __future__ import annotations

from typing import Final

from remit.enforcement import asgi, http_answers
from remit.enforcement.door import Door
from remit.enforcement.http_exchange import HttpExchange
from remit.enforcement.model import Admitted, EnforcementUnavailable
from remit.enforcement.pipeline import Pipeline
from remit.kernel import canonical
from remit.policy.denial import undecided
from remit.policy.model import Code
from remit.tokens.check import TokenInvalid

_CODES: Final = {
    http_answers.MALFORMED: "malformed",
    http_answers.UNSUPPORTED: "unsupported_media_type",
    http_answers.TOO_LARGE: "too_large",
    http_answers.NOT_IMPLEMENTED: "not_implemented",
}
_NO_SUCH: Final = "call it over HTTP, or let its agent reach it with another tool; a WebSocket is not governed here"


class HttpRefusals:
    """Answers what is not served, each once its record is durable."""

    def __init__(self, *, door: Door, pipeline: Pipeline) -> None:
        self._door = door
        self._pipeline = pipeline

    async def denied(self, x: HttpExchange, admitted: Admitted, said: tuple[int, bytes, http_answers.Headers]) -> None:
        """Answer a call whose decision is no."""
        denial = admitted.answer.denial
        if denial is not None and denial.code is Code.REPLAYED_PROOF:
            await self._replayed(x)
            return
        await x.whole(*said)

    async def refused(self, x: HttpExchange, reason: str, status: int, public: str, *, try_: str = "") -> None:
        """Answer what is refused without a decision, once that is recorded and its proof used."""
        if x.decided or await self._recorded(x, reason):
            await x.whole(*http_answers.problem(status, _CODES[status], public, try_=try_))

    async def hidden(self, x: HttpExchange) -> None:
        """Answer a name that no operation can have."""
        if await self._recorded(x, "not_visible"):
            await x.whole(*http_answers.hidden())

    async def upgrade(self, x: HttpExchange) -> None:
        """Answer who wants another protocol: what came over it could not be decided call by call."""
        said = "Another protocol is not spoken here (WebSocket)"
        await self.refused(x, "upgrade", http_answers.NOT_IMPLEMENTED, said, try_=_NO_SUCH)

    async def unavailable(self, x: HttpExchange, error: EnforcementUnavailable) -> None:
        """Answer what could not be decided or recorded."""
        await x.whole(*http_answers.denied(error.told or undecided()))

    async def misplaced(self, send: asgi.Send) -> None:
        """Answer what a web page had a browser ask (DNS rebinding), once that is recorded."""
        try:
            await self._pipeline.doorstep.misplaced(door="http")
        except EnforcementUnavailable:
            await asgi.answer(send, *http_answers.denied(undecided()))
            return
        said = http_answers.problem(403, "forbidden", "Host or Origin is not this server's")
        await asgi.answer(send, *said)

    async def unauthenticated(
        self, send: asgi.Send, error: TokenInvalid, resource: str, server: str, *, door: str
    ) -> None:
        """Answer who showed no token or proof, or no good one, once that is recorded."""
        try:
            await self._pipeline.doorstep.turn_away(error, server=server, door=door)
        except EnforcementUnavailable:
            await asgi.answer(send, *http_answers.denied(undecided()))
            return
        await self._challenged(send, error, resource)

    async def _recorded(self, x: HttpExchange, reason: str) -> bool:
        """Whether a refusal was recorded and may be told; if not, it was answered otherwise."""
        try:
            used = await self._pipeline.refuse(x.caller, x.proof, server=x.server, reason=reason, method=x.method[:128])
        except EnforcementUnavailable as error:
            await self.unavailable(x, error)
            return False
        if not used:
            await self._replayed(x)
        return used

    async def _challenged(self, send: asgi.Send, error: TokenInvalid, resource: str) -> None:
        headers = [*asgi.JSON, *self._door.challenge(error, resource)]
        body = {"error": error.error or "unauthenticated", "error_description": error.description}
        await asgi.answer(send, 401, canonical.encode(body), headers)

    async def _replayed(self, x: HttpExchange) -> None:
        # RFC 9449 section 11.1: a proof is good for one request.
        error = TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")
        self._pipeline.metrics.refused.labels(error.error).inc()
        if not x.gone:
            x.started = True
            await self._challenged(x.send, error, x.challenged)
