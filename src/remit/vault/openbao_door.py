"""How an OpenBao (or a Vault, which has the same interface) is asked: its address, its headers, what it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remit.kernel.canonical import canonical, parse
from remit.kernel.errors import Malformed
from remit.keys.secret import Secret
from remit.outbound.model import endpoint
from remit.people import document
from remit.vault.rotator import Answered, Refused, Send

PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*){0,15}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Asks one server, with one token or none."""

    send: Send
    url: str
    namespace: str
    token: Secret | None = None

    def with_token(self, token: Secret) -> Door:
        """The same server, asked as another."""
        return replace(self, token=token)

    async def get(self, path: str) -> Answered:
        """Raises Refused: the token is none; Unclear."""
        return await self.send("GET", f"{self.url}/v1/{path}", self._headers(), b"")

    async def post(self, path: str, body: Mapping[str, Any]) -> Answered:
        """Raises Refused: the token is none; Unclear."""
        headers = {"Content-Type": "application/json", **self._headers()}
        return await self.send("POST", f"{self.url}/v1/{path}", headers, canonical(dict(body)))

    async def drop(self) -> None:
        """End the token: its work is done. One that may not end itself ends by its own time."""
        await self.post("auth/token/revoke-self", {})

    def _headers(self) -> dict[str, str]:
        headers = {"X-Vault-Namespace": self.namespace} if self.namespace else {}
        if self.token is None:
            return headers
        if not one_line(self.token.text()):
            raise Refused("what should sign in is no token")
        return headers | {"X-Vault-Token": self.token.text()}


def said_by(answer: Answered) -> Mapping[str, Any]:
    """The object that it answered; nothing where that is none."""
    try:
        said = parse(answer.body)
    except Malformed:
        return {}
    return said if isinstance(said, dict) else {}


def token_in(answer: Answered) -> Secret | None:
    """The token that somebody got who logged in."""
    auth = said_by(answer).get("auth")
    token = auth.get("client_token") if isinstance(auth, dict) else None
    return Secret(token) if isinstance(token, str) and one_line(token) else None


def one_line(text: str) -> bool:
    """Whether it can stand in a header: a line feed in a token would begin another one."""
    return bool(text) and text.isascii() and text.isprintable()


def base(value: object) -> str:
    """A server's address in a document. Raises Malformed."""
    url = document.text(most=1024)(value)
    endpoint(url)
    if any(char in url for char in "?#") or url.endswith("/"):
        raise Malformed("the server's address alone is expected, without a slash at its end")
    return url


def matching(pattern: re.Pattern[str], what: str) -> Any:  # noqa: ANN401 - reads one field
    """Reads a field of a document that matches; what it reads raises Malformed."""

    def read_one(value: object) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise Malformed(f"{what} is expected")
        return value

    return read_one
