"""One door of the `/v1` API: what every request goes through before a service is called, in numbered steps.

A service is synchronous, so it runs in one of Starlette's threads; the event loop only
reads the body and writes the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from remit.freezes.threads import in_stops_thread
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import (
    Forbidden,
    Malformed,
    RemitError,
    StorageUnavailable,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from remit.logs import logger
from remit.people.change import Actor
from remit.server import problem
from remit.server.operator_tokens import Doorkeeper
from remit.server.operators import Authority, Operator

_log = logger("remit.api")
_JSON = "application/json"
BODY_SECONDS = 30.0  # how long a body may take: who asks was judged by the headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that may be served: who asks, and for what."""

    operator: Operator
    path: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # parsed JSON, or bytes where the door takes bytes

    def number(self, name: str, *, default: int, most: int) -> int:
        """A whole number of the query string, from 0 to `most`."""
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or int(text) > most:
            raise Malformed(f"{name} is a whole number up to {most}")
        return int(text)


def actor(ask: Ask) -> Actor:
    """Who asks, as the log names them: the token's person, and whom they act as (`--dev` only)."""
    operator = ask.operator
    if operator.behind is None:
        return Actor(by=operator.person)
    return Actor(by=operator.behind, as_=operator.person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A route of the API, with the action that `operators.cedar` must permit for it."""

    method: str
    path: str
    summary: str
    action: str | Callable[[Ask], str]
    handle: Callable[[Ask], Mapping[str, Any] | Response]
    body: Literal["json", "bytes"] | None = None
    fields: Mapping[str, str] = field(default_factory=dict)  # of a JSON body: name -> JSON type; "?" = may be left out
    query: tuple[str, ...] = ()  # the names of the query string that it reads; a test holds that against its code
    owners: Callable[[Ask], Collection[str]] | None = None  # who answers for what the call is about
    otherwise: Callable[[Ask], str] | None = None  # what to try, for who may not; "" leaves it to the role's advice
    status: int = 200
    stops: bool = False  # stops something, or lets it go on: waits behind nothing else


def unnoted(_door: str, _error: RemitError, _person: str) -> None:
    """Keep no record of who was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Porch:
    """What all doors share.

    `noted`: records, before it is answered, that a door was refused to a person, or to whoever shows what is no
    operator's token (an agent that would widen its own access); raises StorageUnavailable. Blocks.
    """

    keeper: Doorkeeper
    authority: Authority
    body_limit: int
    dev: bool
    noted: Callable[[str, RemitError, str], None] = unnoted

    def route(self, door: Door) -> Route:
        """`door` as a route that goes through the steps."""

        async def endpoint(request: Request) -> Response:
            try:
                response = await self._serve(door, request)
            except RemitError as error:
                _tell(door, error)
                response = problem.of(await self._recorded(door, request, error))
            if self.dev:
                acting = request.headers.get("remit-act-as", "")
                response.headers["Remit-Dev"] = "acting as another" if acting else "on"
            return response

        return Route(door.path, endpoint, methods=[door.method], name=f"{door.method} {door.path}")

    async def _serve(self, door: Door, request: Request) -> Response:
        # (1) Who asks; before anything of the request is looked at.
        self._operator(request)
        # (2) The body: size, media type, strict JSON, the fields of this door and no others.
        body = await self._body(door, request)
        # It may have come long after the headers, and a token be revoked since.
        operator = self._operator(request)
        ask = Ask(operator=operator, path=request.path_params, query=_query(request), body=body)
        return await (in_stops_thread if door.stops else run_in_threadpool)(self._answer, door, ask)

    async def _recorded(self, door: Door, request: Request, error: RemitError) -> RemitError:
        """What to answer instead of `error` once it is recorded; itself, but where it cannot be."""
        shown = "authorization" in request.headers  # who shows nothing learns where tokens are had
        if not isinstance(error, Forbidden) and not (shown and isinstance(error, Unauthenticated)):
            return error
        try:
            person = self.keeper.operator(authorization=request.headers.get("authorization"), act_as=None).person
        except RemitError:
            person = ""
        try:
            await run_in_threadpool(self.noted, f"{door.method} {door.path}", error, person)
        except StorageUnavailable as failed:
            return failed
        return error

    def _operator(self, request: Request) -> Operator:
        return self.keeper.operator(
            authorization=request.headers.get("authorization"), act_as=request.headers.get("remit-act-as")
        )

    def _answer(self, door: Door, ask: Ask) -> Response:
        found = passed(door, ask, self.authority)
        return found if isinstance(found, Response) else Response(encode(found), door.status, media_type=_JSON)

    async def _body(self, door: Door, request: Request) -> Any:  # noqa: ANN401 - any JSON value
        body = await read_body(request, limit=self.body_limit)
        if door.body is None:
            if body.strip():
                raise Malformed("this call takes no body")
            return None
        if door.body == "bytes":
            return body
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            raise UnsupportedMediaType("this call takes application/json")
        return checked(parse(body), door.fields)


def passed(door: Door, ask: Ask, authority: Authority) -> Mapping[str, Any] | Response:
    """What a door answers to who may ask. Blocks.

    Raises:
        Forbidden: They may not.
        RemitError: Whatever the service says.
    """
    # (3) May this operator do this, to something of these owners?
    action = door.action if isinstance(door.action, str) else door.action(ask)
    owners = door.owners(ask) if door.owners else ()
    try:
        authority.require(ask.operator, action, owners=owners)
    except Forbidden as error:
        if door.otherwise is None or not (told := door.otherwise(ask)):
            raise
        raise Forbidden(error.public, detail=error.detail, try_=told) from error
    # (4) One call of a service; what it changes is durable, and in this node's view, when it returns.
    return door.handle(ask)


async def read_body(request: Request, *, limit: int) -> bytes:
    """The request's body; refused as soon as it is known to be over `limit` bytes, and when it takes too long."""
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise TooLarge(f"the body is over {limit} bytes", try_="send less at once, or start with --max-body")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise TooLarge(
                        f"the body is over {limit} bytes", try_="send less at once, or start with --max-body"
                    )
    except ClientDisconnect as error:
        raise Malformed("the request ended early") from error
    except TimeoutError as error:
        raise Malformed("the body did not come in time") from error
    return bytes(body)


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "object": dict,
    "array": list,
}


_WIDEST = 2**63  # what a database keeps is less


def checked(body: object, fields: Mapping[str, str]) -> dict[str, Any]:
    """`body` as an object that has the `fields`, of their types, and no others.

    Raises:
        Malformed: It has not.
    """
    if not isinstance(body, dict):
        raise Malformed("a JSON object is expected")
    if unknown := sorted(set(body) - set(fields)):
        raise Malformed(f"unknown field {unknown[0]!r}"[:120], try_=f"known are {', '.join(sorted(fields))}")
    for name, kind in fields.items():
        value = body.get(name)
        if value is None:
            if not kind.endswith("?"):
                raise Malformed(f"the field {name!r} is missing")
            continue
        expected = kind.removesuffix("?")
        if not isinstance(value, _TYPES[expected]) or (expected == "integer" and isinstance(value, bool)):
            raise Malformed(f"the field {name!r} must be of type {expected}")
        if isinstance(value, int) and not -_WIDEST <= value < _WIDEST:
            raise Malformed(f"the field {name!r} must fit into 64 bits")
    return body


def _query(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a query parameter stands there twice")
    return found


def _tell(door: Door, error: RemitError) -> None:
    level = _log.error if problem.status_of(error.code) >= problem.STATUS["unexpected"] else _log.info
    level("refused", door=f"{door.method} {door.path}", code=error.code, title=error.public, detail=error.detail)
