"""Asking OpenBao, or Vault, over its HTTP API: one request, one whole answer, in Remit's words where it is a refusal.

It is dialled by the one way out (`outbound`): no redirect is followed, as a second address would be given the token.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from remit.kernel.canonical import encode, parse
from remit.kernel.errors import KeyfileWrong, KeysUnavailable, RemitError
from remit.outbound.model import OutboundFailed, Patience, endpoint
from remit.outbound.session import Outbound

SECONDS: Final = 5.0  # for the whole of one request: name, dial, head and body
_PATIENCE: Final = Patience(dial=3, silence=3)
_MOST: Final = 64 * 1024
_SHOWN: Final = 200
_AGAIN: Final = "start again once it answers"
_TOKEN: Final = "X-Vault-Token"  # noqa: S105 - the header's name, in both products
_NAMESPACE: Final = "X-Vault-Namespace"
_DONE: Final = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT})
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
ANSWERED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: 200, 204, 400 or 404."""

    status: int
    said: Mapping[str, Any]
    problem: str = ""  # the server's own words, for the operator

    @property
    def done(self) -> bool:
        """Whether it did what it was asked."""
        return self.status in _DONE

    def data(self, name: str, *, part: str = "data") -> Any:  # noqa: ANN401 - any JSON value
        """A value of the answer; None where it has none."""
        found = self.said.get(part)
        return found.get(name) if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One server. Blocks; never called on the event loop."""

    address: str  # https://HOST:PORT
    trusts: ssl.SSLContext | None = None  # whose certificates are believed; None: those this machine believes
    namespace: str | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str = "",
        hide: Collection[str] = (),
    ) -> Answer:
        """Ask `/v1/PATH`.

        Args:
            method: GET, POST, PUT.
            path: Below `/v1/`.
            body: What is sent as JSON.
            token: What is sent as the caller's token; of no request's answer it is shown.
            hide: What else of the request is a secret, and is not shown if it comes back in an error.

        Raises:
            KeysUnavailable: No whole answer in time, or one that says it cannot now: sealed, a standby, overloaded.
            KeyfileWrong: It denies the token, or is no such server.
            OutboundRefused: The address may not be called.
        """
        headers = {"Accept": "application/json", "X-Vault-Request": "true"}
        headers |= {_TOKEN: token} if token else {}
        headers |= {_NAMESPACE: self.namespace} if self.namespace else {}
        data = None if body is None else encode(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            status, text = asyncio.run(self._asked(method, f"{self.address}/v1/{path}", headers, data))
        except (OutboundFailed, OSError, TimeoutError) as error:
            detail = getattr(error, "detail", "") or repr(error)[:_SHOWN]
            raise KeysUnavailable("the key provider does not answer", detail=detail, try_=_AGAIN) from error
        return self._read(status, text, {each for each in (token, *hide) if each})

    async def _asked(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> tuple[int, bytes]:
        outbound = Outbound(allow=[endpoint(url)])
        try:
            async with asyncio.timeout(SECONDS):
                response = await outbound.request(
                    method, url, headers=headers, data=data, patience=_PATIENCE, certificate=self.trusts
                )
                try:
                    text = bytearray()
                    while chunk := await response.some():
                        text += chunk
                        if len(text) > _MOST:
                            raise OutboundFailed("the answer is too large", sent=True, detail=url[:_SHOWN])
                finally:
                    response.close()
                return response.status, bytes(text)
        finally:
            await outbound.close()

    def _read(self, status: int, text: bytes, hide: Collection[str]) -> Answer:
        said = _object(text)
        problem = _words(said, hide)
        detail = f"{self.address}: {status} {problem}".rstrip()
        if status in _DENIED:
            raise KeyfileWrong("the key provider denies it", detail=detail, try_="a token that may: see its policy")
        if status == HTTPStatus.SERVICE_UNAVAILABLE and "sealed" in problem:
            raise KeysUnavailable("the key provider is sealed", detail=detail, try_="unseal it, then start again")
        if status not in _DONE | ANSWERED:
            raise KeysUnavailable(f"the key provider answers {status}", detail=detail, try_=_AGAIN)
        if said is None and (status != HTTPStatus.NO_CONTENT or text):
            raise KeyfileWrong(
                "what answers there is no OpenBao and no Vault", detail=detail, try_="correct address in its file"
            )
        return Answer(status, said or {}, problem)


def _object(text: bytes) -> Mapping[str, Any] | None:
    try:
        found = parse(text)
    except RemitError:
        return None
    return found if isinstance(found, dict) else None


def _words(said: Mapping[str, Any] | None, hide: Collection[str]) -> str:
    """What it says is wrong, as one short line; nothing of it if a secret came back in it."""
    errors = (said or {}).get("errors")
    text = " ".join(each for each in errors if isinstance(each, str)) if isinstance(errors, list) else ""
    if any(secret in text for secret in hide):
        return "(its words are not shown)"
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_SHOWN]
