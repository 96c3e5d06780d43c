"""The HTTP gateway's endpoint: `/http/NAME/...`. A plain ASGI callable.

An exchange in order: (1) who asks, from the headers only; without a good token every name answers alike; (2) what is
asked, strictly; (3) the durable decision; (4) the relay. Whoever knows the caller already (a forward proxy that
intercepts) begins with (2): `serve`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from remit.attestation.model import Caller
from remit.catalog.model import Kind, Server
from remit.catalog.operation import Routes
from remit.enforcement import asgi, http_answers, http_bodies, http_headers, http_request, parse
from remit.enforcement.door import Door
from remit.enforcement.http_exchange import HttpExchange
from remit.enforcement.http_forwarding import Forwards
from remit.enforcement.http_refusals import HttpRefusals
from remit.enforcement.http_request import Asked
from remit.enforcement.http_upstream import Sent
from remit.enforcement.model import Admitted, BadMessage, EnforcementUnavailable, Limits, Outcome
from remit.enforcement.pipeline import Pipeline
from remit.kernel import canonical
from remit.kernel.errors import Malformed, RemitError, TooLarge, UnsupportedMediaType
from remit.kernel.names import ActionName, DecisionId, ServerName, new_id, tool_action
from remit.logs import logger
from remit.policy.model import Call
from remit.policy.view import Grant
from remit.storage.model import ConsumeProof
from remit.tokens.certificate import of_connection
from remit.tokens.check import TokenInvalid
from remit.vault.injecting import clashes, reserved, whole_body

log = logger(__name__)

PREFIX: Final = "/http/"
_PATH = re.compile(rb"/http/([a-z0-9-]{1,63})(/.*)?\Z", re.DOTALL)
_NOTHING: Final = Routes(())
_JSON: Final = "application/json"
Grants = Callable[[Caller, ActionName], Sequence[Grant]]
Argued = Callable[[Caller, ActionName], bool]


class HttpGateway:
    """Serves HTTP APIs to agents.

    Args:
        door: Who asks.
        pipeline: Decides and records.
        relay: Forwards.
        servers: A registered server by its name, as the newest view has it.
        grants: The rules of a caller's boundaries in force for an action.
        argued: Whether a forbid of the organisation judges a caller's calls of an action by their arguments.
        limits: Sizes and times.
    """

    def __init__(
        self, *, door: Door, pipeline: Pipeline, relay: Forwards, servers: Callable[[str], Server | None],
        grants: Grants, argued: Argued, limits: Limits,
    ) -> None:  # fmt: skip
        self._door = door
        self._pipeline = pipeline
        self._relay = relay
        self._servers = servers
        self._grants = grants
        self._argued = argued
        self._limits = limits
        self._refusals = HttpRefusals(door=door, pipeline=pipeline)
        self._routes: dict[str, tuple[Server, Routes]] = {}

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one HTTP request for `/http/NAME/...`."""
        headers, _ = parse.header_map(scope["headers"])
        if self._door.misplaced(headers):
            await self._refusals.misplaced(send)
            return
        raw: bytes = scope["raw_path"]
        match = _PATH.match(raw)
        if match is None:
            await asgi.answer(send, *http_answers.hidden())
            return
        name = match[1].decode("ascii")
        resource = PREFIX + name
        try:
            shown = of_connection(scope)
            caller, proof = self._door.caller(
                headers, method=scope["method"], path=raw.decode("ascii", "replace"), server=name,
                certificate=None if shown is None else shown.certificate,
            )  # fmt: skip
        except TokenInvalid as error:
            await self._refusals.unauthenticated(send, error, resource, name, door="http")
            return
        x = HttpExchange(
            send=send, receive=receive, method=scope["method"], raw=scope["headers"], headers=headers,
            query=scope["query_string"], caller=caller, proof=proof, server=ServerName(name),
            here=self._door.base + resource, challenged=resource, known=self._servers(name),
        )  # fmt: skip
        await self._answered(x, match[2] or b"/")

    async def serve(  # noqa: PLR0913 - ASGI's three, and what the front knows
        self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send, *, server: Server, caller: Caller,
        proof: ConsumeProof | None, path: bytes, here: str, door: str,
    ) -> None:  # fmt: skip
        """Answer one request whose caller is known.

        Args:
            scope: An ASGI scope of type http: its method, headers and `query_string` are read, its path is not.
            receive: ASGI's.
            send: ASGI's. An answer that was begun and is cut is left without its end: close the connection.
            server: The registered server, as the newest view has it; of kind http.
            caller: Who asks; what was shown for it holds at this moment.
            proof: What the decision uses up; None where there is nothing of the kind.
            path: The path below the server's own URL, encoded as it came, beginning with `/`.
            here: The URL under which the agent reaches `server.url`, without a trailing slash: redirects to it pass.
            door: At which door it came in, for the log.
        """
        headers, _ = parse.header_map(scope["headers"])
        x = HttpExchange(
            send=send, receive=receive, method=scope["method"], raw=scope["headers"], headers=headers,
            query=scope["query_string"], caller=caller, proof=proof, server=server.server, here=here,
            challenged=PREFIX + server.server, known=server, door=door,
        )  # fmt: skip
        await self._answered(x, path)

    async def _answered(self, x: HttpExchange, path: bytes) -> None:
        refusals = self._refusals
        try:
            await self._exchange(x, path)
        except UnsupportedMediaType as error:
            await refusals.refused(x, "unsupported_media_type", http_answers.UNSUPPORTED, error.public)
        except TooLarge as error:
            x.extra.append((b"connection", b"close"))  # the rest of it may still come
            await refusals.refused(x, "too_large", http_answers.TOO_LARGE, error.public)
        except Malformed as error:
            x.extra.append((b"connection", b"close"))
            reason = error.reason if isinstance(error, BadMessage) else "malformed"
            await refusals.refused(x, reason, http_answers.MALFORMED, error.public)
        except EnforcementUnavailable as error:
            await refusals.unavailable(x, error)
        except TokenInvalid as error:
            await refusals.unauthenticated(x.send, error, x.challenged, x.server, door=x.door)
        except asgi.Gone:
            x.gone = True  # nobody is there to be answered, but its proof was seen
            await refusals.refused(x, "gone", http_answers.MALFORMED, "")
        except RemitError as error:
            log.exception("a call failed", code=error.code, detail=error.detail)
            await x.whole(*http_answers.problem(500, error.code, error.public))

    async def _exchange(self, x: HttpExchange, path: bytes) -> None:
        # (2) What is asked.
        if http_request.upgrades(x.headers):
            await self._refusals.upgrade(x)
            return
        asked = await http_request.read(
            x.method, path, x.query, x.headers, x.receive, self._routes_of(x.known), limit=self._limits.request
        )
        # The body may have come long after its headers: what was shown there must hold to this moment.
        self._door.still(x.caller, x.proof)
        headers = http_headers.upstream(x.raw, clashes=clashes(None if x.known is None else x.known.credential))
        self._door.clean(_sent_bytes(path, x.query, headers, asked.json))
        if asked.name is None:
            await self._refusals.hidden(x)
            return
        call = Call(
            id=DecisionId(new_id("dec")), caller=x.caller, server=x.server, action=tool_action(x.server, asked.name),
            tool=asked.name, arguments=asked.told.values, proof=x.proof,
        )  # fmt: skip
        # (3) The durable decision.
        x.decided = True
        admitted = await self._pipeline.admit(call)
        if admitted.answer.denial is not None:
            await self._refusals.denied(x, admitted, self._relay.refuse(admitted, admitted.answer))
            return
        # (4) The relay.
        sent = await self._sent(x, asked, admitted, headers)
        if sent is not None:
            await self._relay.forward(x, admitted, sent)

    async def _sent(
        self, x: HttpExchange, asked: Asked, admitted: Admitted, headers: list[tuple[str, str]]
    ) -> Sent | None:
        """The request as it is forwarded; None if it is not, which was answered and recorded."""
        fault = _fault(asked, admitted.server, x.known) or self._unread(x, asked, admitted)
        if fault is not None:
            status, code, said = fault
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail=said)
            if asked.streams:
                x.extra.append((b"connection", b"close"))
            await x.whole(*http_answers.problem(status, code, said, retry=code == "conflict"))
            return None
        body, media = None if asked.json is None else canonical.encode(asked.json), asked.media
        sent = Sent(
            method=asked.method, segments=asked.segments, query=asked.query, headers=headers, media=media, body=body,
            caller=x.caller, call=admitted.call,
        )  # fmt: skip
        if not asked.streams:
            return sent
        return await self._with_body(x, asked, admitted, sent)

    def _unread(self, x: HttpExchange, asked: Asked, admitted: Admitted) -> tuple[int, str, str] | None:
        """Why a body that nobody here reads is not forwarded, as of `_fault`."""
        if not asked.streams or asked.operation is None:
            return None
        content_type = x.headers["content-type"]
        # (5) A form has fields too; many servers take them before those of the query (PHP, Rails).
        if asked.query and http_bodies.is_form(content_type):
            return http_answers.MALFORMED, "malformed", "beside a form the query must be empty"
        # (6) Where a boundary, a policy or a person's yes is about arguments, they do not come where nobody looks.
        grants = self._grants(x.caller, admitted.call.action)
        ended = not grants and admitted.answer.boundary is not None  # the boundary that let it through, meanwhile
        # Who approved the call saw its arguments, and nothing of its body.
        argued = admitted.answer.approval is not None or self._argued(x.caller, admitted.call.action)
        if ended or http_bodies.unread(content_type, asked.operation.media, grants, argued=argued):
            said = f"the decision was about arguments, and a body of type {asked.media} may hold some"
            return http_answers.UNSUPPORTED, "unsupported_media_type", said
        return None

    async def _with_body(self, x: HttpExchange, asked: Asked, admitted: Admitted, sent: Sent) -> Sent | None:
        """The request with a body that is no JSON: as it comes, or whole where the credential signs it."""
        limit = self._limits.request
        media = x.headers["content-type"]  # with its parameters: a boundary is one
        if not whole_body(None if admitted.server is None else admitted.server.credential):
            return replace(sent, media=media, body=http_request.streamed(asked, x.receive, limit=limit))
        try:
            return replace(sent, media=media, body=await http_request.whole(x.receive, x.headers, limit=limit))
        except (RemitError, asgi.Gone) as error:
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail=f"its body did not come: {error!r}"[:300])
            raise

    def _routes_of(self, server: Server | None) -> Routes:
        """The operations of a server, put together once for each state of it."""
        if server is None or server.kind is not Kind.HTTP:
            return _NOTHING
        known = self._routes.get(server.server)
        if known is None or known[0] is not server:
            known = self._routes[server.server] = (server, Routes(server.tools.values()))
        return known[1]


def _sent_bytes(path: bytes, query: bytes, headers: list[tuple[str, str]], json: object) -> bytes:
    """All that an agent says and that is read before it goes on; a body that passes as it comes is not."""
    said = [path, query, *(value.encode("utf-8", "surrogateescape") for _, value in headers)]
    return b"\n".join([*said, b"" if json is None else canonical.encode(json)])


def _fault(asked: Asked, server: Server | None, known: Server | None) -> tuple[int, str, str] | None:
    """Why a call that was allowed is not forwarded: status, code and sentence. Only said of one that was allowed."""
    # (1) A name of two values, a field in a wrong place: what the schema let through all the same.
    if asked.fault:
        return http_answers.MALFORMED, "malformed", asked.fault
    # (2) It was read by another state of the server than it was decided on.
    if asked.operation is None or server is None or not _same(server, known):
        return 409, "conflict", "the server changed meanwhile; try again"
    # (3) What stands in the credential's place would be read for it.
    if reserved(server.credential) in dict(asked.query):
        said = "a field of the query stands in the place of the server's credential"
        return http_answers.MALFORMED, "malformed", said
    # (4) A body without arguments, of a type that the operation does not name.
    if asked.streams and not http_request.takes(asked.operation, asked.media):
        said = f"the operation takes no body of type {asked.media}"
        return http_answers.UNSUPPORTED, "unsupported_media_type", said
    return None


def _same(server: Server, known: Server | None) -> bool:
    """Whether the operations and the credential are those that the request was read by."""
    return known is server or (
        known is not None and known.tools == server.tools and known.credential == server.credential
    )
