"""`POST /v1/me/can`: an agent asks what the answer to its own call would be. Answered before any router."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from remit.attestation.model import Caller
from remit.enforcement.metadata import challenge, resources
from remit.kernel.canonical import encode, parse
from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed, RemitError, UnsupportedMediaType
from remit.kernel.names import check_name, split_action
from remit.policy.service import PolicyService
from remit.server import problem
from remit.server.app import ME_CAN
from remit.server.door import checked, read_body
from remit.storage.model import ConsumeProof, Work
from remit.storage.ports import Writer
from remit.tokens.check import TokenChecker, TokenInvalid

_FIELDS = {"action": "string", "arguments": "object?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeCan:
    """An ASGI endpoint; the dry run is made in a thread, and the proof's use is all that is written."""

    base: str
    checker: TokenChecker
    policy: PolicyService
    writer: Writer
    clock: Clock
    body_limit: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, 400, 401, 404, 405, 413, 415, 503."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except TokenInvalid as error:
            response = problem.of(error)
            del response.headers["www-authenticate"]
            said = {"error": error.error, "description": error.description, "scheme": error.scheme}
            for value in challenge(self.base, ME_CAN, **said):
                response.headers.append("WWW-Authenticate", value)
        except RemitError as error:
            response = problem.of(error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return problem.answer("method_not_allowed", "POST is the method here", headers={"Allow": "POST"})
        body = await self._body(request)
        server, _, _ = split_action(body["action"])
        check_name(server, what="a server")
        # (1) Who asks: a token for the deployment, or for the server that the call would go to.
        caller, proof = self.checker.check(
            authorization=_one(request, "authorization"),
            dpop=_one(request, "dpop"),
            method="POST",
            url=self.base + ME_CAN,
            audiences=resources(self.base, server),
            now=self.clock.now(),
        )
        # (2) RFC 9449 section 11.1: a proof is used once, also for a question.
        if proof is not None:
            await self._use(proof)
        # (3) The same decision as a call's, with its effects dropped.
        # In a thread: an agent's first question reads its activations, and the loop must not wait for a database.
        told = await run_in_threadpool(self._told, caller, body)
        return Response(encode(told), media_type="application/json")

    def _told(self, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        return self.policy.can(caller.agent, caller.purpose, body["action"], body.get("arguments"), caller=caller)

    async def _use(self, proof: ConsumeProof) -> None:
        done = await self.writer.submit_async(Work((), (proof,), lambda _: ()))
        if done.failed is not None:
            raise TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")

    async def _body(self, request: Request) -> dict[str, Any]:
        raw = await read_body(request, limit=self.body_limit)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType("this call takes application/json")
        return checked(parse(raw), _FIELDS)


def _one(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise Malformed(f"the header {name} stands there twice")
    return values[0] if values else None
