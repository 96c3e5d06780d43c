"""Authentication of an agent's requests: `httpx2.AsyncClient(auth=AgentAuth(...))`.

Every request to Remit carries a token bound to this copy's own key and a fresh proof of that
key (RFC 9449). With the stock `mcp` client:

    http = httpx2.AsyncClient(auth=AgentAuth(url, "invoice-bot", "invoice-bot.jwk", "pay-invoices"))
    async with http, Client(streamable_http_client(f"{url}/mcp/payments", http_client=http)) as client:
        await client.call_tool("list_invoices", {})
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final

import anyio
import httpx2

from remit.sdk import keyfile
from remit.sdk.grant import NONCE, Grant, NotAuthorized, Token, base_url, read_token, token_endpoint, wants_nonce
from remit.sdk.keyfile import Key
from remit.sdk.platform import PlatformToken

_UNAUTHORIZED: Final = 401
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class _Wants(Enum):
    """What Remit may ask for beside the request: each is sent once, and then the answer stands."""

    TOKEN = auto()
    NONCE = auto()


class TokenRefused(httpx2.RequestError):
    """The request was not sent, because Remit gave no token for it. `cause` says why."""

    def __init__(self, cause: NotAuthorized, request: httpx2.Request) -> None:
        super().__init__(str(cause), request=request)
        self.cause = cause


class AgentAuth(httpx2.Auth):
    """Gets tokens for one agent and purpose, renews them ahead of their end, and proves the key on each request.

    One object is one instance of the agent: it makes a key of its own unless `instance_key` is
    given. Requests to other places than Remit go out as they are, without any credential.
    """

    def __init__(  # noqa: PLR0913 - what a copy of an agent is
        self,
        url: str | None,
        agent: str,
        key_file: str | os.PathLike[str] | Key | PlatformToken,
        purpose: str,
        server: str | None = None,
        run: str | None = None,
        *,
        instance_key: Key | None = None,
        acting_for: Callable[[], str] | None = None,
        allow: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: Remit's URL; None means `REMIT_URL`.
            agent: The agent's name.
            key_file: The private JWK that `remit agent keygen` wrote, or a loaded one; or where the platform's own
                token is read (`sdk.platform`), so that there is no secret to store.
            purpose: What the work is.
            server: Name of the only MCP server the token shall be good at; None: any behind this Remit.
            run: "new" opens another run instead of going on with this instance's open one.
            instance_key: The key of this copy; None makes one.
            acting_for: Gives the newest access token of the agent for which this one acts (its `handed_on`); None: it
                acts for itself. Asked at each renewal, because what is handed on ends with that one's token.
            allow: What of that one's access is wanted, as a boundary's `allow` has it; None: all of it.

        Raises:
            KeyFileInvalid, OSError: No usable key in `key_file`.
            ValueError: No URL, or `run` is neither None nor "new".
        """
        if run not in (None, "new"):
            raise ValueError('run is None or "new"')
        key = key_file if isinstance(key_file, Key | PlatformToken) else keyfile.load(key_file)
        self._grant = Grant(base_url(url), agent, key, purpose, server, instance_key or keyfile.fresh())
        self._origin = _origin(httpx2.URL(self._grant.url))
        self._new_run = run == "new"
        self._acting_for, self._allow = acting_for, allow
        self._endpoint: str | None = None
        self._token: Token | None = None
        self._nonce: str | None = None
        self._lock = anyio.Lock()
        self._thread_lock = threading.Lock()

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self._grant.agent

    @property
    def handed_on(self) -> str:
        """The newest access token, for an agent that is to act for this one: it is worth nothing at a server without
        this copy's key.

        Raises:
            RuntimeError: No request was made yet.
        """
        if self._token is None:
            raise RuntimeError("there is no token yet: make a request first")
        return self._token.access_token

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """The flow for `httpx2.Client`."""
        if _origin(request.url) != self._origin:
            yield request
            return
        refused: Token | None = None
        left = {_Wants.TOKEN, _Wants.NONCE}
        while True:
            with self._thread_lock:
                flow = self._renewal(request, refused)
                outgoing = next(flow, None)
                while outgoing is not None:
                    response = yield outgoing
                    response.read()
                    outgoing = _next(flow, response)
            response = yield self._signed(request)
            wants = self._heard(response)
            if wants not in left:
                return
            left.remove(wants)
            refused = self._token if wants is _Wants.TOKEN else None

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The flow for `httpx2.AsyncClient`. Calls that wait for the same token wait for one request of it."""
        if _origin(request.url) != self._origin:
            yield request
            return
        refused: Token | None = None
        left = {_Wants.TOKEN, _Wants.NONCE}
        while True:
            async with self._lock:
                flow = self._renewal(request, refused)
                outgoing = next(flow, None)
                while outgoing is not None:
                    response = yield outgoing
                    await response.aread()
                    outgoing = _next(flow, response)
            response = yield self._signed(request)
            wants = self._heard(response)
            if wants not in left:
                return
            left.remove(wants)
            refused = self._token if wants is _Wants.TOKEN else None

    def _renewal(
        self, request: httpx2.Request, refused: Token | None
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """The requests that get a token, if the one at hand is missing, ending or the one just refused."""
        if self._token is not None and not self._token.due and self._token is not refused:
            return
        try:
            if self._endpoint is None:
                url = f"{self._grant.url}/.well-known/oauth-authorization-server"
                response = yield httpx2.Request("GET", url)
                self._endpoint = token_endpoint(self._grant.url, response.status_code, response.content)
            response = yield self._question(self._endpoint)
            if self._heard(response) is _Wants.NONCE:
                response = yield self._question(self._endpoint)
                self._heard(response)
            self._token = read_token(response.status_code, response.content)
        except NotAuthorized as error:
            raise TokenRefused(error, request) from error
        self._new_run = False

    def _question(self, endpoint: str) -> httpx2.Request:
        """A request for a token: an assertion and a proof of its own each time."""
        proof = self._grant.proof("POST", endpoint, nonce=self._nonce)
        subject = None if self._acting_for is None else self._acting_for()
        form = self._grant.form(new_run=self._new_run, subject=subject, allow=self._allow)
        return httpx2.Request("POST", endpoint, content=form, headers={**_FORM, "DPoP": proof})

    def _heard(self, response: httpx2.Response) -> _Wants | None:
        """Keep the newest nonce of an answer; what else has to be sent for it to be a better one, if anything."""
        self._nonce = response.headers.get(NONCE, self._nonce)
        challenge = response.headers.get("WWW-Authenticate", "")
        # Who is refused at a resource is told so in the challenge, and the body may not have been read yet.
        body = response.content if response.is_closed else b""
        if wants_nonce(response.status_code, challenge, body):
            return _Wants.NONCE
        return _Wants.TOKEN if _asks_for_another_token(response) else None

    def _signed(self, request: httpx2.Request) -> httpx2.Request:
        """`request` with the token and a proof of its own."""
        token = self._token
        if token is None:
            raise RuntimeError("a request is signed only after a token was got")
        request.headers["Authorization"] = f"DPoP {token.access_token}"
        request.headers["DPoP"] = self._grant.proof(request.method, str(request.url), token, nonce=self._nonce)
        return request


def _next(flow: Generator[httpx2.Request, httpx2.Response, None], response: httpx2.Response) -> httpx2.Request | None:
    try:
        return flow.send(response)
    except StopIteration:
        return None


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _asks_for_another_token(response: httpx2.Response) -> bool:
    """RFC 6750 section 3.1: `invalid_token` means expired or revoked, and a new one may be tried, once."""
    challenge = response.headers.get("WWW-Authenticate", "")
    return response.status_code == _UNAUTHORIZED and 'error="invalid_token"' in challenge
