"""A small OpenID provider whose words a test may bend; its tokens are made by joserfc, which Remit does not use."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from remit.keys.base64url import encode

CLIENT, SECRET = "remit", "only-of-this-test"
Claims = dict[str, Any]


@dataclass
class Issuer:
    """The provider. `claims` are what it says of whoever comes; `bend` changes an ID token's, `sign` makes it."""

    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}))
    claims: Claims = field(default_factory=dict)
    bend: Callable[[Claims], Claims] = lambda said: said
    sign: Callable[[Claims], str] | None = None
    page: bool = False  # a person follows a link of the provider's own page, instead of being sent on at once
    host: str = "127.0.0.1"
    answer: Callable[[dict[str, str]], dict[str, str]] = lambda said: said
    asked: list[dict[str, str]] = field(default_factory=list)  # at the authorization endpoint
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes back to: this provider's person says yes at once."""
        self.asked.append(asked)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        said = self.answer({"code": code, "state": asked["state"], "iss": self.url})
        return f"{asked['redirect_uri']}?{urlencode(said)}"

    def token(self, headers: Any, form: dict[str, str]) -> tuple[int, Any]:
        """The token endpoint, once for each code."""
        kind, _, said = headers.get("Authorization", "").partition(" ")
        asked = self.codes.pop(form.get("code", ""), None)
        if kind != "Basic" or b64decode(said).decode() != f"{CLIENT}:{SECRET}":
            return 401, {"error": "invalid_client"}
        verifier = encode(sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or asked["code_challenge"] != verifier or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = self.bend({
            "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"], "auth_time": now,
            **self.claims,
        })  # fmt: skip
        made = self.signed(claims) if self.sign is None else self.sign(claims)
        return 200, {"access_token": "opaque", "token_type": "Bearer", "expires_in": 60, "id_token": made}

    def signed(self, claims: Claims, **header: Any) -> str:
        """An ID token as it should be."""
        return jwt.encode({"alg": "RS256", "kid": "one", **header}, claims, self.key)

    def published(self, path: str) -> Any:
        if path == "/jwks":
            return {"keys": [self.key.as_dict(private=False)]}
        return {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize", "jwks_uri": f"{self.url}/jwks",
            "token_endpoint": f"{self.url}/token", "end_session_endpoint": f"{self.url}/end",
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip


@contextlib.contextmanager
def issuer(**chosen: Any) -> Iterator[Issuer]:
    """One that listens."""
    made = Issuer(**chosen)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize" and made.page:
                where = escape(made.authorize(dict(parse_qsl(parts.query))))
                self.send(200, "text/html", f'<title>id</title><a id="yes" href="{where}">Yes</a>'.encode())
            elif parts.path == "/authorize":
                self.send_response(303)
                self.send_header("Location", made.authorize(dict(parse_qsl(parts.query))))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.say(200, made.published(parts.path))

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.say(*made.token(self.headers, dict(parse_qsl(form))))

        def say(self, status: int, said: Any) -> None:
            self.send(status, "application/json", json.dumps(said).encode())

        def send(self, status: int, media: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://{made.host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
