"""What an agent asks about itself (`/v1/me/...`): who asks, a proof used once, and how it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from remit.attestation.model import Caller
from remit.audit.service import Recorder
from remit.enforcement.metadata import challenge
from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed, RemitError
from remit.server import problem
from remit.storage.model import ConsumeProof, Work
from remit.storage.ports import Writer
from remit.tokens.certificate import of_connection
from remit.tokens.check import TokenChecker, TokenInvalid
from remit.tokens.refusals import BadTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """The door of one endpoint. Belongs to the event loop."""

    base: str
    path: str
    method: str
    checker: TokenChecker
    writer: Writer
    records: Recorder
    bad_tokens: BadTokens
    clock: Clock

    async def serve(
        self, scope: Scope, receive: Receive, send: Send, answer: Callable[[Request], Awaitable[Response]]
    ) -> None:
        """Answer one request; what `answer` raises becomes a problem, and a 401 says where tokens are had."""
        request = Request(scope, receive)
        try:
            if request.method == self.method:
                response = await answer(request)
            else:
                said = f"{self.method} is the method here"
                response = problem.answer("method_not_allowed", said, headers={"Allow": self.method})
        except TokenInvalid as error:
            response = problem.of(error)
            del response.headers["www-authenticate"]
            for value in challenge(
                self.base, self.path, error=error.error, description=error.description, scheme=error.scheme
            ):
                response.headers.append("WWW-Authenticate", value)
        except RemitError as error:
            response = problem.of(error)
        await response(scope, receive, send)

    async def caller(self, request: Request, audiences: Collection[str]) -> Caller:
        """Who asks, with a token for one of `audiences`; its proof is used up, and one used before is recorded.

        Raises:
            TokenInvalid: 401, and recorded.
            StorageUnavailable: What was wrong could not be recorded.
        """
        caller, proof = await self.shown(request, audiences)
        if proof is not None:
            # RFC 9449 section 11.1: a proof is used once, also for a question.
            fields = {"agent": caller.agent, "instance": caller.instance, "door": self.path, "reason": "replayed_proof"}
            work = Work((), (proof,), lambda _: (self.records.entry("refused", fields),))
            done = await self.writer.submit_async(work)
            if done.failed is not None:
                raise used_before()
        return caller

    async def shown(self, request: Request, audiences: Collection[str]) -> tuple[Caller, ConsumeProof | None]:
        """Who asks, and the proof that has to be used up with what is answered.

        Raises:
            TokenInvalid: 401, and recorded.
            StorageUnavailable: What was wrong could not be recorded.
        """
        shown = of_connection(request.scope)
        now = self.clock.now()
        try:
            return self.checker.check(
                authorization=_one(request, "authorization"),
                dpop=_one(request, "dpop"),
                method=self.method,
                url=self.base + self.path,
                audiences=frozenset(audiences),
                now=now,
                certificate=None if shown is None else shown.certificate,
            )
        except TokenInvalid as error:
            if (entry := self.bad_tokens.entry(error, now=now, door=self.path)) is not None:
                await self.writer.submit_async(Work((entry,)))
            raise


def used_before() -> TokenInvalid:
    """What a proof is refused with that was used before."""
    return TokenInvalid("invalid_dpop_proof", "the proof was used before", "DPoP")


def _one(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise Malformed(f"the header {name} stands there twice")
    return values[0] if values else None
