"""ASGI middleware for a resource server: who calls, and whether Remit lets it, before the application sees the request.

    app = RemitMiddleware(app, resource=Resource(server="payments", point=PointToken(token), issuer=Issuer(url)),
                          public_url="https://payments.example", call=payments_call)

`call` says which action of the server a request is, and with which arguments; None refuses it. A request that is let
through carries `scope["remit"]`, an `Identity`, and neither `Authorization` nor `DPoP`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import anyio

from remit.sdk.access_token import Identity, TokenInvalid
from remit.sdk.arguments import NotTellable, snapshot
from remit.sdk.decision import Decision, local, unavailable
from remit.sdk.dpop import MemoryFull
from remit.sdk.issuer import IssuerUnavailable
from remit.sdk.refusing import Answer, challenged, denied, plain
from remit.sdk.resource import Resource, Shown

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Called = Callable[[Scope, bytes], tuple[str, Mapping[str, Any]] | None]
_CREDENTIALS: Final = frozenset({b"authorization", b"dpop"})
_PATH: Final = re.compile(r"/[!-~]*\Z")  # as it stands on the request line (RFC 9112 section 3.2.1)
_BODY_SECONDS: Final = 30.0
_REPORT_SECONDS: Final = 5.0
_FAILED: Final = 400


class _TooLarge(Exception):
    """The body is over the limit."""


class _Gone(Exception):
    """The client went away, or took too long, before its request was read."""


class RemitMiddleware:
    """Verifies, asks, and only then calls the application.

    Args:
        app: The application.
        resource: The server that it is at Remit.
        public_url: Scheme, host and port as clients see them: what their proofs are made for.
        call: Which action (`server/tool`) a request is, with its arguments, from the scope and the whole body.
        body_limit: Bytes of a request's body.
    """

    def __init__(
        self, app: App, *, resource: Resource, public_url: str, call: Called, body_limit: int = 1 << 20
    ) -> None:
        self._app = app
        self._resource = resource
        self._public_url = public_url.rstrip("/")
        self._call = call
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection; what is no request of HTTP is refused."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        found = await self._admitted(scope, receive)
        if isinstance(found, Answer):
            nonces = self._resource.nonces
            await found.send(send, nonce=None if nonces is None else nonces.current(int(self._resource.clock())))
        elif found is not None:
            identity, decision, body = found
            await self._passed(scope, receive, send, identity=identity, decision=decision, body=body)

    async def _admitted(self, scope: Scope, receive: Receive) -> Answer | tuple[Identity, Decision, bytes] | None:
        """Who calls and the allow, or what to answer instead; None for a client that is gone."""
        try:
            return await self._decided(scope, receive)
        except _Gone:
            return None
        except Exception as error:  # noqa: BLE001 - fail closed: what went wrong here decided nothing
            return self._instead(error, scope)

    async def _decided(self, scope: Scope, receive: Receive) -> Answer | tuple[Identity, Decision, bytes]:
        # (1) A path as HTTP writes one: proofs are made for it, and `call` and the application read the same scope.
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        if not _PATH.match(path):
            return plain(400, "malformed", "the path is not well-formed")
        # (2) Who calls, from the headers alone.
        shown = Shown(
            method=scope["method"], url=self._public_url + path, authorization=_one(scope, b"authorization"),
            dpop=_one(scope, b"dpop"),
        )  # fmt: skip
        identity, token = await self._resource.identity(shown)
        # (3) What is asked for, from the whole request.
        body = await self._body(receive)
        called = self._call(scope, body)
        if called is None:
            return denied(local(self._named(scope), "not_granted", "Nothing grants this"))
        # (4) Remit's decision, durable before the application sees anything.
        identity, decision = await self._resource.answer(identity, token, called[0], snapshot(dict(called[1])))
        return (identity, decision, body) if decision.allowed else denied(decision)

    def _instead(self, error: Exception, scope: Scope) -> Answer:
        """What to answer where there is no decision."""
        match error:
            case TokenInvalid():
                answer = challenged(error, issuer=self._resource.issuer.url, server=self._resource.server)
            case NotTellable():
                answer = denied(local(self._named(scope), "invalid_arguments", str(error), path=error.path))
            case _TooLarge():
                answer = plain(413, "too_large", "the body is over the limit")
            case _:
                said = str(error) if isinstance(error, (IssuerUnavailable, MemoryFull)) else type(error).__name__
                answer = denied(unavailable(self._named(scope), said))
        return answer

    def _named(self, scope: Scope) -> str:
        return f"{self._resource.server}:{scope['method']}"

    async def _passed(
        self, scope: Scope, receive: Receive, send: Send, *, identity: Identity, decision: Decision, body: bytes
    ) -> None:
        """Run the application, and say what became of it."""
        headers = [each for each in scope["headers"] if each[0].lower() not in _CREDENTIALS]
        outcome, pending = "outcome_unknown", [body]

        async def replayed() -> Message:
            return {"type": "http.request", "body": pending.pop(), "more_body": False} if pending else await receive()

        async def heard(message: Message) -> None:
            nonlocal outcome
            if message["type"] == "http.response.start":
                outcome = "error" if message["status"] >= _FAILED else "ok"
            await send(message)

        try:
            await self._app({**scope, "headers": headers, "remit": identity}, replayed, heard)
        except Exception:
            outcome = "error"
            raise
        except BaseException:
            outcome = "outcome_unknown"  # cancelled while it ran: nobody knows how far it came
            raise
        finally:
            if decision.decision_id is not None:
                with anyio.move_on_after(_REPORT_SECONDS, shield=True):
                    await self._resource.asking.report(decision.decision_id, outcome)

    async def _body(self, receive: Receive) -> bytes:
        chunks, size, more = list[bytes](), 0, True
        with anyio.move_on_after(_BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise _Gone
                chunks.append(message.get("body", b""))
                size, more = size + len(chunks[-1]), message.get("more_body", False)
                if size > self._body_limit:
                    raise _TooLarge
        if more:
            raise _Gone
        return b"".join(chunks)


def _one(scope: Scope, wanted: bytes) -> str | None:
    """RFC 9449 section 4.3 step 1: there is not more than one. Two readers may take another one of two."""
    values = [value for name, value in scope["headers"] if name.lower() == wanted]
    if len(values) > 1:
        raise TokenInvalid("invalid_token", "the credentials stand there twice")
    return values[0].decode("latin-1") if values else None
