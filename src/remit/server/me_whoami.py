"""`GET /v1/me`: an agent asks who it is, with whatever token of this Remit it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from remit.kernel.canonical import encode
from remit.server.me import Me
from remit.server.whoami import Whoami
from remit.tokens.threads import in_agents_thread

ME: Final = "/v1/me"
_NO_STORE: Final = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeWhoami:
    """An ASGI endpoint; the log is read in a thread, the proof's use is all that is written."""

    me: Me
    whoami: Whoami

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, 401, 404, 405, 503."""
        await self.me.serve(scope, receive, send, self._answer)

    async def _answer(self, request: Request) -> Response:
        caller = await self.me.caller(request, self._audiences(request))
        told = await in_agents_thread(self.whoami.of, caller.token)
        return Response(encode(told), headers=_NO_STORE, media_type="application/json")

    def _audiences(self, request: Request) -> frozenset[str]:
        """The deployment, or those of its servers that the token is for: the answer is about the token alone."""
        base, shown = self.me.base, request.headers.get("authorization", "").partition(" ")[2]
        found = self.me.checker.read(shown, now=self.me.clock.now())
        own = () if found is None else (each for each in found.audience if each.startswith(f"{base}/"))
        return frozenset({base, *own})


def routes(me: MeWhoami) -> list[Route]:
    """The one route."""
    return [Route(ME, me, methods=["GET"])]
