"""Telling another system over HTTP that a right is to go, and asking it whether it is gone.

    POST URL   {"agent": ..., "purpose": ..., "action": ..., "withdrawal": "wdr_...", "set": "eyJ..."}
               any 2xx takes the request; {"token": "..."} in the answer is kept and sent when it is read again
    GET  URL?agent=...&purpose=...&action=...&withdrawal=...[&token=...]
               200 {"agent": ..., "purpose": ..., "action": ..., "present": true or false}

`set` is the same as a signed security event token (`told`), for a system that wants to see who says so.
The same withdrawal may be posted again: it is one request. Only an answer that names what it was
asked about and says `"present": false` is a confirmation. A page that happens to be there, a
redirect, an error, silence: none of them says that the right is gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from remit.catalog.injection import Injection
from remit.certification.withdrawal.ports import SystemSilent
from remit.certification.withdrawal.withdraw import Covering, Present, Target, Withdrawal
from remit.connectors.system import System
from remit.connectors.systems import Directory
from remit.enforcement.ports import Dialer
from remit.kernel.canonical import encode, parse
from remit.kernel.errors import Malformed, Overloaded, RemitError
from remit.outbound.model import OutboundFailed, Patience

SECONDS: Final = 10.0  # for one request and its whole answer
_LOOK_SECONDS: Final = 0.1  # how often a thread that waits looks whether Remit still runs
_MOST: Final = 64 * 1024  # bytes of an answer
_MOST_TOKEN: Final = 200
_TAKEN: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})


class Credentials(Protocol):
    """Where a system's credential comes from at the moment of use (the vault)."""

    def header(self, injection: Injection, url: str) -> tuple[str, str]:
        """The header that carries it. Raises RemitError: it is missing or does not open."""
        ...

    def echoes(self, chunk: bytes) -> bool:
        """Whether `chunk` carries any secret."""
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSystems:
    """Implements remit.certification.withdrawal.ports.Systems. Its methods block; never call them on the event loop.

    `loop` raises Overloaded once Remit is stopping; `frozen` says whether a freeze covers a secret; `signed` gives
    what is told as a token, or None: while there is no key a system is told without one, and again if it refuses that.
    """

    directory: Directory
    dialer: Dialer
    credentials: Credentials
    loop: Callable[[], asyncio.AbstractEventLoop]
    frozen: Callable[[str], bool] = lambda _secret: False
    signed: Callable[[System, Target, Withdrawal], str | None] = lambda _system, _target, _withdrawal: None
    seconds: float = SECONDS

    def covering(self) -> list[Covering]:
        """Every declared system."""
        return self.directory.covering()

    def withdraw(self, target: Target, withdrawal: Withdrawal) -> str:
        """POST; the token of the answer, or an empty text."""
        system = self._system(target)
        token = self.signed(system, target, withdrawal)
        said = {**_about(target, withdrawal), "withdrawal": withdrawal.id, **({} if token is None else {"set": token})}
        answer = self._ask(system, "POST", system.url, encode(said))
        if answer.status not in _TAKEN:
            raise SystemSilent(f"it answered {answer.status}")
        return _token(answer.body)

    def reread(self, target: Target, withdrawal: Withdrawal, token: str) -> Present:
        """GET. What is no clear answer is `unknown`."""
        about = _about(target, withdrawal)
        query = urlencode({**about, "withdrawal": withdrawal.id, **({"token": token} if token else {})})
        try:
            system = self._system(target)
            url = f"{system.url}{'&' if '?' in system.url else '?'}{query}"
            return _present(self._ask(system, "GET", url, None), about)
        except SystemSilent:
            return Present.UNKNOWN

    def _system(self, target: Target) -> System:
        found = self.directory.find(target.system)
        if found is None:
            raise SystemSilent("it is not declared any more")
        return found

    def _ask(self, system: System, method: str, url: str, data: bytes | None) -> _Answer:
        headers = {"User-Agent": "remit", "Accept": "application/json", "Accept-Encoding": "identity"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        if system.secret is not None and self.frozen(system.secret):
            raise SystemSilent("its credential is frozen")
        try:
            if (injection := system.injection) is not None:
                name, value = self.credentials.header(injection, system.url)
                headers[name] = value
            answer = self._blocking(method, url, headers, data)
        except SystemSilent:
            raise
        except RemitError as error:
            raise SystemSilent(error.public, detail=error.detail) from error
        if self.credentials.echoes(answer.body):
            # What it says is kept and shown to people, so nothing of this is looked at.
            raise SystemSilent("its answer carried a secret")
        return answer

    def _blocking(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> _Answer:
        future, end = self._begun(method, url, headers, data), time.monotonic() + self.seconds + 1
        try:
            while not wait((future,), _LOOK_SECONDS).done:
                self.loop()
                if time.monotonic() > end:
                    raise SystemSilent("it did not answer in time")
            return future.result()
        finally:
            future.cancel()

    def _begun(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> Future[_Answer]:
        loop, asking = self.loop(), self._request(method, url, headers, data)
        try:
            return asyncio.run_coroutine_threadsafe(asking, loop)
        except RuntimeError as error:
            asking.close()  # the loop was closed in between, and nobody will ever run it
            raise Overloaded("Remit is stopping", detail=repr(error)) from error

    async def _request(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> _Answer:
        patience = Patience(silence=None)  # `_blocking` ends the whole of it
        response = await self.dialer.request(method, url, headers=headers, data=data, patience=patience)
        try:
            body = b""
            while chunk := await response.some():
                body += chunk
                if len(body) > _MOST:
                    raise SystemSilent("its answer is too large")
        except OutboundFailed as error:
            raise SystemSilent("its answer broke off", detail=error.detail) from error
        finally:
            response.close()
        return _Answer(response.status, body)


def _about(target: Target, withdrawal: Withdrawal) -> dict[str, str]:
    return {"agent": withdrawal.agent, "purpose": target.purpose, "action": target.action}


def _token(body: bytes) -> str:
    """A system's own word for the request. It is opaque, and no answer needs one."""
    try:
        said = parse(body) if body.strip() else {}
    except Malformed:
        return ""
    token: Any = said.get("token") if isinstance(said, dict) else None
    fits = isinstance(token, str) and len(token) <= _MOST_TOKEN and token.isascii() and token.isprintable()
    return token if fits else ""


def _present(answer: _Answer, about: Mapping[str, str]) -> Present:
    if answer.status != HTTPStatus.OK:
        return Present.UNKNOWN
    try:
        said = parse(answer.body)
    except Malformed:
        return Present.UNKNOWN
    if not isinstance(said, dict) or any(said.get(name) != value for name, value in about.items()):
        return Present.UNKNOWN
    present = said.get("present")
    if not isinstance(present, bool):
        return Present.UNKNOWN
    return Present.PRESENT if present else Present.ABSENT
