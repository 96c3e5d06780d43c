"""`POST /v1/me/can`: an agent asks what the answer to its own call would be. Answered before any router."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from remit.attestation.model import Caller
from remit.enforcement.metadata import resources
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import UnsupportedMediaType
from remit.kernel.names import check_name, split_action
from remit.policy.service import PolicyService
from remit.server.door import checked, read_body
from remit.server.me import Me
from remit.tokens.threads import in_agents_thread

_FIELDS = {"action": "string", "arguments": "object?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeCan:
    """An ASGI endpoint; the dry run is made in a thread, and the proof's use is all that is written."""

    me: Me
    policy: PolicyService
    body_limit: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, 400, 401, 404, 405, 413, 415, 503."""
        await self.me.serve(scope, receive, send, self._answer)

    async def _answer(self, request: Request) -> Response:
        body = await self._body(request)
        server, _, _ = split_action(body["action"])
        check_name(server, what="a server")
        # (1) Who asks: a token for the deployment, or for the server that the call would go to.
        caller = await self.me.caller(request, resources(self.me.base, server))
        # (2) The same decision as a call's, with its effects dropped.
        # In a thread: an agent's first question reads its activations, and the loop must not wait for a database.
        told = await in_agents_thread(self._told, caller, body)
        return Response(encode(told), media_type="application/json")

    def _told(self, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        return self.policy.can(caller.agent, caller.purpose, body["action"], body.get("arguments"), caller=caller)

    async def _body(self, request: Request) -> dict[str, Any]:
        raw = await read_body(request, limit=self.body_limit)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType("this call takes application/json")
        return checked(parse(raw), _FIELDS)
