"""Envoy's external authorization over HTTP: `/ext_authz/NAME/...` says whether a request may go on to a server.

Envoy sends each request here with its own method, path, headers and body, authenticated as a registered enforcement
point; 200 lets it on. What is read and decided is the same as at the HTTP gateway (`enforcement/http`), but for this:
Envoy forwards the bytes that it got, so a path is taken only in the one spelling that the gateway would write; and
nobody here sees what becomes of the call, so its outcome is `not_observed`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from remit.attestation.model import Caller
from remit.catalog.injection import Basic, Credential, Injection, OauthClient, OauthUser
from remit.catalog.model import Kind, Server
from remit.enforcement import asgi, denials, http_answers, http_target, parse
from remit.enforcement.credited import Made, untold
from remit.enforcement.door import Door
from remit.enforcement.http import HttpGateway
from remit.enforcement.http_exchange import HttpExchange
from remit.enforcement.http_refusals import HttpRefusals
from remit.enforcement.http_upstream import Sent
from remit.enforcement.model import Admitted, Outcome, Point
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.ports import Injects, Tokens
from remit.enforcement.presented import names, through
from remit.enforcement.upstream import CredentialFrozen
from remit.kernel.clock import Clock
from remit.kernel.errors import Malformed, RemitError, Unauthenticated
from remit.kernel.names import ServerName
from remit.policy.model import Answer, Code
from remit.storage.model import ConsumeProof
from remit.tokens.check import TokenInvalid
from remit.vault.allowed import whereabouts
from remit.vault.model import SecretUnavailable
from remit.vault.outgoing import Outgoing

PREFIX: Final = "/ext_authz/"
_PATH = re.compile(rb"/ext_authz/([a-z0-9-]{1,63})(/[^\x00-\x20\x7f-\xff]*)\Z")
_PUBLIC_URL = re.compile(r"https?://[^/?#@\s]+\Z")
# What Envoy's configuration says in headers of its own; nothing of a client's by these names is sent here.
POINT, PUBLIC_URL, INJECTS = "remit-point", "remit-public-url", "remit-injects"
_DOOR: Final = "ext_authz"
_PARTIAL: Final = "x-envoy-auth-partial-body"
_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_REMOVE: Final = "x-envoy-auth-headers-to-remove"
# Credentials, and what tells some servers another method, path or caller than was decided.
_REMOVED: Final = (
    "authorization", "dpop", "cookie", "cookie2", "proxy-authorization", "x-http-method", "x-http-method-override",
    "x-method-override", "x-original-method", "x-original-url", "x-original-uri", "x-original-host", "x-rewrite-url",
    "x-host", "client-cert", "client-cert-chain", "ssl-client-cert", "x-client-cert", "remit-act-as", POINT, PUBLIC_URL,
    INJECTS,
)  # fmt: skip
_ANSWERED: Final = [(b"cache-control", b"no-store")]


class EnvoyRelay:
    """Lets a request on by saying so to Envoy, with the server's credential as a header.

    Args:
        pipeline: Records.
        injects: Makes the header.
        frozen: Whether a freeze covers the credential that is a secret of that name.
        made: Told with which version of a secret a call leaves.
    """

    def __init__(
        self, pipeline: Pipeline, injects: Injects, *, frozen: Callable[[str], bool], made: Made = untold
    ) -> None:
        self._pipeline = pipeline
        self._injects = injects
        self._frozen = frozen
        self._made = made

    def refuse(self, admitted: Admitted, answer: Answer) -> tuple[int, bytes, http_answers.Headers]:
        """A denial as at the gateway."""
        denial = answer.denial
        if denial is None or denial.code is Code.NOT_VISIBLE:
            return http_answers.hidden()
        return http_answers.denied(self._pipeline.told(admitted, denial))

    async def forward(self, x: HttpExchange, admitted: Admitted, sent: Sent) -> None:
        """Answer 200, which lets it on; what becomes of it is not observed."""
        try:
            injected = await self._injected(x, admitted, sent)
        except RemitError as error:
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail=f"{error.code}: {error.public} {error.detail}")
            told = self._pipeline.told_now(admitted, denials.without_credential(error))
            await x.whole(*http_answers.denied(told))
            return
        kept = {name.lower() for name in injected}
        removed = ",".join(name for name in _REMOVED if name not in kept)
        headers = [
            (name.encode("ascii"), value.encode("ascii")) for name, value in (*injected.items(), (_REMOVE, removed))
        ]
        try:
            await x.whole(200, b"", [*_ANSWERED, *headers])
        finally:
            self._pipeline.outcome(admitted, Outcome.NOT_OBSERVED)

    async def _injected(self, x: HttpExchange, admitted: Admitted, sent: Sent) -> Mapping[str, str]:
        """The headers that carry the server's credential. Raises SecretUnavailable or CredentialFrozen."""
        server = admitted.server
        if server is None or (credential := server.credential) is None:
            return {}
        if self._frozen(credential.secret):
            raise CredentialFrozen("the server's credential is frozen", detail=credential.secret)
        header = _header(credential)
        allowed = {each.strip().lower() for each in x.headers.get(INJECTS, "").split(",")}
        if header is None or header.lower() not in allowed:
            # Envoy drops what its configuration does not name; the agent's own token could stand there instead.
            raise SecretUnavailable("Envoy does not put this credential into requests", detail=credential.secret)
        request = Outgoing(
            method=sent.method, host=x.headers.get("host", ""), path=http_target.written_path(sent.segments),
            query=http_target.written_query(sent.query), headers={}, caller=sent.caller,
            call=sent.call, to=whereabouts(server.url)[0],
        )  # fmt: skip
        injected = await self._injects.inject(credential, request)
        self._made(admitted.call.id, admitted.call.caller.agent, credential.secret, injected.version)
        return injected.headers


class ExtAuthz:
    """The endpoint. A plain ASGI callable.

    Args:
        point: The enforcement point of an `Authorization`; raises Unauthenticated.
        tokens: Says who makes a request.
        gateway: Reads and decides it, and relays with an `EnvoyRelay`.
        door: Challenges who shows no good token.
        pipeline: Records what is refused.
        servers: A registered server by its name, as the newest view has it.
        clock: Where `now` comes from.
    """

    def __init__(
        self, *, point: Callable[[str | None], Point], tokens: Tokens, gateway: HttpGateway, door: Door,
        pipeline: Pipeline, servers: Callable[[str], Server | None], clock: Clock,
    ) -> None:  # fmt: skip
        self._point = point
        self._tokens = tokens
        self._gateway = gateway
        self._base = door.base
        self._refusals = HttpRefusals(door=door, pipeline=pipeline)
        self._servers = servers
        self._clock = clock

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one question of Envoy's: 200, or what it answers its client instead."""
        headers, twice = parse.header_map(scope["headers"])
        match = _PATH.match(scope["raw_path"])
        # (1) Which enforcement point asks, and what it says of itself.
        try:
            point = self._point(f"Bearer {headers.get(POINT, '')}")
        except Unauthenticated:
            await asgi.answer(send, *http_answers.problem(403, "forbidden", "no enforcement point that is known here"))
            return
        public = headers.get(PUBLIC_URL, "")
        if match is None or twice or not _PUBLIC_URL.match(public):
            said = "Envoy's question is not well-formed: see remit-public-url, and the path"
            await asgi.answer(send, *http_answers.problem(400, "malformed", said))
            return
        name, path = match[1].decode("ascii"), match[2]
        # (2) Which agent, by the token it showed and the proof it made for Envoy's own address.
        try:
            caller, proof = self._tokens.check(
                authorization=headers.get("authorization"), dpop=headers.get("dpop"), method=scope["method"],
                url=public + path.decode("ascii"), audiences=names(self._base, name), now=self._clock.now(),
            )  # fmt: skip
        except TokenInvalid as error:
            await self._refusals.unauthenticated(send, error, f"/http/{name}", name, door=_DOOR)
            return
        await self._decided(scope, receive, send, headers, name, path, through(caller, point), proof)

    async def _decided(  # noqa: PLR0913, PLR0917 - ASGI's three, and what was read
        self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send, headers: Mapping[str, str], name: str,
        path: bytes, caller: Caller, proof: ConsumeProof | None,
    ) -> None:  # fmt: skip
        server = self._servers(name)
        known = server if server is not None and server.kind is Kind.HTTP else None
        x = HttpExchange(
            send=send, receive=receive, method=scope["method"], raw=scope["headers"], headers=headers,
            query=scope["query_string"], caller=caller, proof=proof, server=ServerName(name), here="",
            challenged=f"/http/{name}", known=known, door=_DOOR,
        )  # fmt: skip
        # (3) What goes on is the bytes that came: those must have one reading, and all of them must be here.
        if fault := _fault(scope["method"], path, headers):
            await self._refusals.refused(x, "malformed", http_answers.MALFORMED, fault)
        elif known is None:
            await self._refusals.hidden(x)
        else:
            # (4) The operation, the arguments and the durable decision.
            await self._gateway.serve(
                scope, receive, send, server=known, caller=caller, proof=proof, path=path, here="", door=_DOOR
            )


def _fault(method: str, path: bytes, headers: Mapping[str, str]) -> str:
    """Why a request cannot go on as it came; empty if it can."""
    try:
        if http_target.written_path(http_target.path(path)) != path.decode("ascii"):
            return "the path is not in its one spelling (RFC 3986 section 6)"
    except Malformed as error:
        return error.public
    if headers.get(_PARTIAL, "false") != "false":
        return "Envoy sent a part of the body only"
    if method not in _BODILESS and _PARTIAL not in headers:
        return "there is no body, or Envoy did not send it: see with_request_body"
    return ""


def _header(credential: Credential) -> str | None:
    """The header that a credential goes into; None for one that goes elsewhere."""
    match credential:
        case Injection():
            return credential.header
        case Basic() | OauthClient() | OauthUser():
            return "Authorization"
        case _:
            return None
