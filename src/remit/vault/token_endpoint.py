"""Another system's token endpoint, asked by Remit with its own client secret (RFC 6749 section 3.2)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed, RemitError
from remit.keys.secret import Secret
from remit.vault.model import SecretUnavailable

_UNTOLD: Final = 300  # seconds that a token is kept whose end nobody says
_MAX_TOKEN: Final = 8192
_OK: Final = 200
_SAYS_WHY: Final = frozenset({400, 401})  # RFC 6749 section 5.2

Post = Callable[[str, dict[str, str], bytes], Awaitable[tuple[int, bytes]]]


class GrantRefused(SecretUnavailable):
    """`invalid_grant`: the code or refresh token is worth nothing (any more). Asking again does not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a token endpoint gave. `seconds`: the access token's life; `refresh`: None if it gave none.

    `id_token`: as it came, empty if none did; nothing of it was checked.
    """

    access: Secret
    seconds: int
    refresh: Secret | None
    scope: str
    id_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Remit as a client of that server."""

    client_id: str
    secret: Secret

    def headers(self) -> dict[str, str]:
        """What authenticates it.

        RFC 6749 section 2.3.1: both are form-encoded before they become a user and a password.
        """
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret.text())}"
        return {
            "Authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }


async def ask(post: Post, url: str, client: Client, form: Mapping[str, str]) -> Given:
    """One token request.

    Args:
        post: Sends a form; status and body of the answer. Raises RemitError.
        url: The token endpoint.
        client: As whom.
        form: The grant.

    Raises:
        GrantRefused: The server says `invalid_grant`.
        SecretUnavailable: It gives no token for another reason, or cannot be reached.
    """
    try:
        status, body = await post(url, client.headers(), urlencode(form).encode())
    except SecretUnavailable:
        raise
    except RemitError as error:
        raise SecretUnavailable(
            "the server's credential could not be had", detail=f"{error.public} {error.detail}"
        ) from error
    return read(status, body)


def revocation(token: Secret) -> bytes:
    """The form that ends a refresh token (RFC 7009 section 2.1)."""
    return urlencode({"token": token.text(), "token_type_hint": "refresh_token"}).encode()


def read(status: int, body: bytes) -> Given:
    """What an answer gives (RFC 6749 section 5.1). Pure.

    Raises:
        GrantRefused, SecretUnavailable: It is no token.
    """
    try:
        said = parse(body)
    except Malformed:
        said = None
    said = said if isinstance(said, dict) else {}
    if status in _SAYS_WHY and said.get("error") == "invalid_grant":
        raise GrantRefused("the server's credential is not taken any more", detail="token endpoint: invalid_grant")
    access = _token(said.get("access_token")) if status == _OK else None
    if access is None or str(said.get("token_type", "")).lower() != "bearer":
        raise SecretUnavailable("the server's credential could not be had", detail=f"token endpoint: HTTP {status}")
    seconds, scope, id_token = said.get("expires_in"), said.get("scope"), said.get("id_token")
    return Given(
        access=access,
        seconds=seconds if type(seconds) is int and seconds > 0 else _UNTOLD,
        refresh=_token(said.get("refresh_token")),
        scope=scope if isinstance(scope, str) else "",
        id_token=id_token if isinstance(id_token, str) else "",
    )


def _token(value: Any) -> Secret | None:  # noqa: ANN401 - any JSON value
    """A token that fits a header: anything else could end its line."""
    plain = isinstance(value, str) and 0 < len(value) <= _MAX_TOKEN and value.isascii() and value.isprintable()
    return Secret(value.encode()) if plain and " " not in value else None
