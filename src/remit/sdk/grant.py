"""What an agent says to the token endpoint, and how it reads the answer. No I/O but the clock's."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from remit.sdk.keyfile import Key
from remit.sdk.platform import PlatformToken

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
_ASSERTION_SECONDS: Final = 60
_AHEAD: Final = 30  # seconds before its end that a token is renewed
_OK: Final = 200
_BAD_REQUEST: Final = 400
_UNAUTHORIZED: Final = 401
_USE_NONCE: Final = "use_dpop_nonce"
NONCE: Final = "DPoP-Nonce"


class NotAuthorized(Exception):
    """Remit gave no token. `error` is the OAuth code (RFC 6749 section 5.2); `description` says what to do about it."""

    def __init__(self, error: str, description: str, *, status: int = 0) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and when to stop using it (`time.monotonic` seconds)."""

    access_token: str
    token_type: str
    scope: str
    expires: float

    @property
    def due(self) -> bool:
        """Whether it has ended or soon will."""
        return time.monotonic() >= self.expires - _AHEAD

    def __repr__(self) -> str:
        return f"Token({self.token_type}, {self.scope})"  # the token itself is a secret


@dataclass(frozen=True, slots=True)
class Grant:
    """The standing question of one running copy of an agent: may it have a token for its purpose."""

    url: str  # Remit's own, without a trailing slash: its issuer identifier
    agent: str
    key: Key | PlatformToken  # registered with Remit, or the word of a platform that is trusted there
    purpose: str
    server: str | None  # one MCP server, or all behind this Remit
    instance: Key  # this copy's own: tokens are bound to it

    def form(
        self, *, new_run: bool = False, subject: str | None = None, allow: Sequence[Mapping[str, Any]] | None = None
    ) -> str:
        """The body of a token request (RFC 6749 section 4.4, RFC 7523 section 2.2, RFC 8707).

        Args:
            new_run: Open another run instead of going on with this copy's open one.
            subject: The access token of the agent for which this one is to act (RFC 8693); None: for itself.
            allow: What of that one's access is asked for, as a boundary's `allow` has it; None: all of it.

        Raises:
            PlatformTokenInvalid, OSError: The platform's token cannot be read.
        """
        parameters = {"grant_type": "client_credentials", "scope": f"purpose:{self.purpose}", **self._client()}
        if self.server is not None:
            parameters["resource"] = f"{self.url}/mcp/{self.server}"
        if subject is not None:
            parameters |= {"grant_type": _EXCHANGE, "subject_token": subject, "subject_token_type": _ACCESS_TOKEN}
        details = {**({"run": "new"} if new_run else {}), **({} if allow is None else {"allow": list(allow)})}
        if details:
            parameters["authorization_details"] = json.dumps([{"type": "remit_purpose", **details}])
        return urlencode(parameters)

    def _client(self) -> dict[str, str]:
        """Who asks (RFC 7521 section 4.2): a platform's token names no agent, so the request does."""
        if isinstance(self.key, PlatformToken):
            kind, token = self.key.shown()
            return {"client_id": self.agent, "client_assertion_type": kind, "client_assertion": token}
        now = int(time.time())
        claims = {
            "iss": self.agent,
            "sub": self.agent,
            "aud": self.url,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        return {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self.key.sign(claims, typ="JWT")}

    def proof(self, method: str, url: str, token: Token | None = None, *, nonce: str | None = None) -> str:
        """A DPoP proof for one request (RFC 9449 section 4.2): never used twice."""
        return proof(self.instance, method, url, None if token is None else token.access_token, nonce=nonce)


def proof(key: Key, method: str, url: str, access_token: str | None = None, *, nonce: str | None = None) -> str:
    """A DPoP proof by `key` for one request (RFC 9449 section 4.2): never used twice.

    `nonce` is the newest that Remit gave in `DPoP-Nonce`, if it gave one.
    """
    parts = urlsplit(url)
    claims = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
        "iat": int(time.time()),
    }
    if access_token is not None:
        digest = hashlib.sha256(access_token.encode("ascii")).digest()
        claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    if nonce is not None:
        claims["nonce"] = nonce
    return key.sign(claims, typ="dpop+jwt")


def wants_nonce(status: int, challenge: str, body: bytes) -> bool:
    """Whether an answer says to make the proof again, with the nonce it gives (RFC 9449 sections 8 and 9).

    Args:
        status: Its HTTP status.
        challenge: Its `WWW-Authenticate`: where a resource says so.
        body: Where the token endpoint says so.
    """
    if status == _UNAUTHORIZED:
        return f'error="{_USE_NONCE}"' in challenge
    return status == _BAD_REQUEST and _object(body).get("error") == _USE_NONCE


def base_url(url: str | None) -> str:
    """The URL of Remit: `url`, else `REMIT_URL`.

    Raises:
        ValueError: Neither is given.
    """
    found = url or os.environ.get("REMIT_URL", "")
    if not found:
        raise ValueError("no Remit: pass its URL or set REMIT_URL")
    return found.rstrip("/")


def token_endpoint(url: str, status: int, body: bytes) -> str:
    """The token endpoint from the metadata of the Remit at `url` (RFC 8414).

    Raises:
        NotAuthorized: There is no Remit at `url`, or it goes by another URL.
    """
    metadata = _object(body) if status == _OK else {}
    issuer, endpoint = metadata.get("issuer"), metadata.get("token_endpoint")
    if not isinstance(issuer, str) or not isinstance(endpoint, str):
        raise NotAuthorized("no_metadata", f"there is no Remit at {url}", status=status)
    # RFC 8414 section 3.3: byte for byte, or an impostor could collect assertions for the real one.
    if issuer != url:
        raise NotAuthorized("issuer_mismatch", f"the Remit at {url} calls itself {issuer}: use that URL")
    return endpoint


def read_token(status: int, body: bytes) -> Token:
    """The token in an answer of the token endpoint.

    Raises:
        NotAuthorized: It refused.
    """
    answer = _object(body)
    if status == _OK and isinstance(answer.get("access_token"), str):
        expires = time.monotonic() + float(answer.get("expires_in", 0))
        return Token(answer["access_token"], str(answer.get("token_type")), str(answer.get("scope")), expires)
    error, description = answer.get("error", "no_answer"), answer.get("error_description", f"HTTP status {status}")
    raise NotAuthorized(str(error), str(description), status=status)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
