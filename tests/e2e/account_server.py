"""A mail service with accounts of people: Authlib's authorization server, and the API behind it, in one process.

`account_server.py LEDGER` says {"port": N}. The ledger gets a line for each grant and each revocation. Whoever opens
`/authorize?...&login=NAME` is NAME, who says yes (or no, with `&answer=no`). `POST /forget` ends all access tokens,
`POST /forget/all` the refresh tokens too. `GET /mail` answers to whom the access token belongs.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter

LEDGER = Path(sys.argv[1])
SECRET = "the-clients-own-secret"
CODES: dict[str, Code] = {}
TOKENS: list[Token] = []
PORT = 0


def note(**said: Any) -> None:
    with LEDGER.open("a", encoding="utf-8") as file:
        file.write(json.dumps(said) + "\n")


class Mail:
    """The one client, which is Remit. Implements Authlib's ClientMixin."""

    client_id = "remit"

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.startswith("http://127.0.0.1:")

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, SECRET)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"authorization_code", "refresh_token"}


@dataclass
class Code:
    user: str
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Token:
    user: str
    access: str
    refresh: str
    scope: str
    live: bool = True
    renews: bool = True

    def check_client(self, _client: Mail) -> bool:
        return True

    def get_scope(self) -> str:
        return self.scope


class ByCode(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code: str, request: Any) -> None:
        said = request.payload
        challenge, method = said.data["code_challenge"], said.data["code_challenge_method"]
        CODES[code] = Code(request.user, said.redirect_uri, said.scope, challenge, method)

    def query_authorization_code(self, code: str, _client: Mail) -> Code | None:
        return CODES.pop(code, None)  # once

    def delete_authorization_code(self, _code: Code) -> None:
        pass

    def authenticate_user(self, code: Code) -> str:
        return code.user


class ByRefresh(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        found = next((each for each in TOKENS if each.refresh == refresh_token), None)
        if found is None or not found.renews:
            # Used before, or ended: whoever has it stole it (RFC 9700 section 4.14.2).
            note(refused="refresh_token", known=found is not None)
            for each in TOKENS:
                each.renews = each.renews and found is not None and each.user != found.user
            return None
        return found

    def authenticate_user(self, token: Token) -> str:
        return token.user

    def revoke_old_credential(self, token: Token) -> None:
        token.renews = False


class Revoked(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = ("client_secret_basic",)

    def query_token(self, token: str, _hint: str) -> Token | None:
        return next((each for each in TOKENS if each.refresh == token), None)

    def revoke_token(self, token: Token, _request: Any) -> None:
        note(revoked=token.user, hint="refresh_token")
        for each in TOKENS:
            if each.user == token.user:
                each.live = each.renews = False


class Issuer(IssuerParameter):  # type: ignore[misc]
    def get_issuer(self) -> str:
        return f"http://127.0.0.1:{PORT}"


@dataclass
class Answer:
    status: int
    body: Any
    headers: list[tuple[str, str]]

    @property
    def location(self) -> str:
        return dict(self.headers).get("Location", "")

    @location.setter
    def location(self, value: str) -> None:
        self.headers = [pair for pair in self.headers if pair[0] != "Location"] + [("Location", value)]


class Asked(OAuth2Request):  # type: ignore[misc]
    """A request as Authlib wants one."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: str) -> None:
        super().__init__(handler.command, f"http://127.0.0.1:{PORT}{handler.path}", headers=dict(handler.headers))
        self._form = dict(parse_qsl(body))
        self.payload = BasicOAuth2Payload(dict(parse_qsl(urlsplit(handler.path).query)) | self._form)

    @property
    def args(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.uri).query))

    @property
    def form(self) -> dict[str, str]:
        return self._form


class Accounts(AuthorizationServer):  # type: ignore[misc]
    def query_client(self, client_id: str) -> Mail | None:
        return Mail() if client_id == Mail.client_id else None

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        said = request.payload.grant_type
        note(grant=said, user=request.user)
        TOKENS.append(Token(request.user, token["access_token"], token["refresh_token"], token.get("scope", "")))

    def create_oauth2_request(self, request: Any) -> Any:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Answer:
        return Answer(status, body, list(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass


SERVER = Accounts()
SERVER.register_grant(ByCode, [CodeChallenge(required=True)])
SERVER.register_grant(ByRefresh)
SERVER.register_endpoint(Revoked)
SERVER.register_extension(Issuer())
made = BearerTokenGenerator(
    lambda **_: secrets.token_urlsafe(24), lambda **_: secrets.token_urlsafe(24), lambda *_: 3600
)  # fmt: skip
SERVER.register_token_generator("default", made)
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """The doors of it all."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, asked = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/authorize":
            with LOCK:
                request = Asked(self, "")
                grant = SERVER.get_consent_grant(request, asked["login"])
                user = None if asked.get("answer") == "no" else asked["login"]
                self.answer(SERVER.create_authorization_response(request, grant_user=user, grant=grant))
            return
        shown = self.headers.get("Authorization", "").removeprefix("Bearer ")
        found = next((each for each in TOKENS if each.live and each.access == shown), None)
        note(called=path, user=None if found is None else found.user)
        said = {"user": found.user} if found else {"error": "invalid_token"}
        self.answer(Answer(200 if found else 401, said, [("Content-Type", "application/json")]))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        with LOCK:
            if self.path.startswith("/forget"):
                for each in TOKENS:
                    each.live = False
                    each.renews = each.renews and self.path == "/forget"
                self.answer(Answer(200, {}, []))
            elif self.path == "/revoke":
                self.answer(SERVER.create_endpoint_response("revocation", Asked(self, body)))
            else:
                self.answer(SERVER.create_token_response(Asked(self, body)))

    def answer(self, said: Answer) -> None:
        body = said.body.encode() if isinstance(said.body, str) else json.dumps(said.body).encode()
        self.send_response(said.status)
        for name, value in said.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    PORT = http.server_address[1]
    print(json.dumps({"port": PORT}), flush=True)  # noqa: T201 - its caller reads it
    http.serve_forever()
