"""What registered enforcement points ask and report: `/access/v1/*`, `/v1/outcomes`. Before any router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from remit.enforcement import authzen, authzen_batch, authzen_search
from remit.enforcement.asgi import JSON, Gone, answer, body_of
from remit.enforcement.batches import Batches
from remit.enforcement.model import EnforcementUnavailable, Point
from remit.enforcement.points import Points
from remit.enforcement.searching import Searching
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import Malformed, RemitError, UnsupportedMediaType
from remit.server import problem
from remit.server.app import EVALUATION, EVALUATIONS, SEARCH
from remit.server.door import checked
from remit.server.peps import Gatekeeper

_OUTCOME_FIELDS: Final = {"decision": "string", "outcome": "string"}
_RETRY: Final = ((b"content-type", b"application/problem+json"), (b"retry-after", b"1"))
_MAX_REQUEST_ID: Final = 256
_Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """An ASGI endpoint on the event loop, whose decisions wait for the disk and for nothing else."""

    keeper: Gatekeeper
    points: Points
    batches: Batches
    searching: Searching
    body_limit: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: 200, 400, 401, 404, 405, 409, 413, 415, 503."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        echo = _echo(headers)
        try:
            body, more = await self._answer(scope, headers, receive)
            await answer(send, 200, body, (*JSON, *more, *echo))
        except EnforcementUnavailable as error:
            await answer(send, 503, encode(authzen.undecided(error.told)), (*_RETRY, *echo))
        except Gone:
            return
        except RemitError as error:
            await _refused(problem.of(error), echo, scope, receive, send)
        except _NotPost:
            refusal = problem.answer("method_not_allowed", "POST is the method here", headers={"Allow": "POST"})
            await _refused(refusal, echo, scope, receive, send)

    async def _answer(
        self, scope: Scope, headers: list[tuple[bytes, bytes]], receive: Receive
    ) -> tuple[bytes, _Headers]:
        if scope["method"] != "POST":
            raise _NotPost
        # (1) Which enforcement point; before anything of the request is looked at.
        shown = self.keeper.shown(_one(headers, b"authorization"))
        self.keeper.known(shown)
        # (2) The body: media type, size, strict JSON.
        if (_one(headers, b"content-type") or "").partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType("this call takes application/json")
        body = await body_of(receive, declared=_one(headers, b"content-length"), limit=self.body_limit)
        point = self.keeper.known(shown)  # the body may have come long after the headers
        # (3) A decision that is durable, or an outcome that is.
        found, decisions, token = await self._served(scope["path"], parse(body), point)
        said = ((b"remit-decision", decisions), (b"remit-token", token))
        return encode(found), tuple((name, value.encode("ascii")) for name, value in said if value)

    async def _served(self, path: str, body: object, point: Point) -> tuple[Mapping[str, Any], str, str]:
        """The answer's body, the ids of the decisions in it, and what is wrong with the token that was shown."""
        if path == EVALUATION:
            one = await self.points.evaluate(authzen.question(body), point)
            return one.body, one.decision, one.token
        if path == EVALUATIONS:
            asked = authzen_batch.batch(body)
            if isinstance(asked, authzen_batch.Batch):
                return *await self.batches.evaluate(asked, point), ""
            one = await self.points.evaluate(asked, point)
            return one.body, one.decision, one.token
        if path.startswith(SEARCH):
            gap = authzen_search.Gap(path.removeprefix(SEARCH))
            return await self.searching.search(authzen_search.search(gap, body), point), "", ""
        return await self._report(point, checked(body, _OUTCOME_FIELDS)), "", ""

    async def _report(self, point: Point, body: Mapping[str, Any]) -> Mapping[str, Any]:
        await self.points.report(point, body["decision"], body["outcome"])
        return {"decision": body["decision"], "outcome": body["outcome"]}


class _NotPost(Exception):
    """Another method."""


async def _refused(refusal: Response, echo: _Headers, scope: Scope, receive: Receive, send: Send) -> None:
    for name, value in echo:
        refusal.headers.append(name.decode("latin-1"), value.decode("latin-1"))
    await refusal(scope, receive, send)


def _echo(headers: list[tuple[bytes, bytes]]) -> _Headers:
    """AuthZEN 1.0, request identification: the caller's own id of its request comes back."""
    for name, value in headers:
        if name == b"x-request-id" and len(value) <= _MAX_REQUEST_ID:
            return ((name, value),)
    return ()


def _one(headers: list[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    found: bytes | None = None
    for name, value in headers:
        if name == wanted:
            if found is not None:
                raise Malformed(f"the header {wanted.decode('ascii')} stands there twice")
            found = value
    return None if found is None else found.decode("latin-1")
