"""Asks Remit and tells it what became of a call, over HTTP; never raises, for an error must not read as a yes."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from anyio.lowlevel import RunVar

from remit.sdk import strict_json
from remit.sdk.auth import TokenRefused
from remit.sdk.decision import Decision, answered, local, unavailable
from remit.sdk.grant import base_url

EVALUATION: Final = "/access/v1/evaluation"
OUTCOMES: Final = "/v1/outcomes"
_SECONDS: Final = 10.0
_OK: Final = 200
_TOO_LARGE: Final = 1 << 20
_JSON: Final = {"Content-Type": "application/json"}
# What the token endpoint says of an agent that gets no token until a person has done something (RFC 6749 section 5.2).
_FINAL: Final = frozenset({"invalid_client", "unauthorized_client", "invalid_scope", "invalid_grant"})
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PointToken(httpx2.Auth):
    """The token of a registered enforcement point (`remit pep add NAME`), which may ask for any agent."""

    value: str = field(repr=False)

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Show it."""
        request.headers["Authorization"] = f"Bearer {self.value}"
        yield request


@dataclass(frozen=True, slots=True)
class Question:
    """One question (AuthZEN 1.0): may `subject` do `action` on `resource`."""

    subject: tuple[str, str]  # type and id
    action: str
    resource: tuple[str, str]
    context: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> bytes:
        """As it is sent."""
        subject, resource = ({"type": kind, "id": name} for kind, name in (self.subject, self.resource))
        said = {"subject": subject, "action": {"name": self.action}, "resource": resource, "context": self.context}
        return strict_json.encode(said)


class Asking:
    """The connections to one Remit, for an event loop each, and for threads.

    Args:
        auth: The agent's own `AgentAuth`, or a `PointToken`.
        url: Remit's URL; None means `REMIT_URL`.
        timeout: Seconds that a question may take; over it is a denial.
    """

    def __init__(self, auth: httpx2.Auth, url: str | None = None, *, timeout: float = _SECONDS) -> None:
        self.url = base_url(url)
        self._auth = auth
        self._timeout = timeout
        self._client: RunVar[httpx2.AsyncClient] = RunVar("remit.sdk.client")
        self._sync: httpx2.Client | None = None

    async def ask(self, question: Question) -> Decision:
        """The recorded answer; `enforcement_unavailable` if there is none, whatever went wrong."""
        try:
            answer = await self._of_loop().post(self.url + EVALUATION, content=question.body(), headers=_JSON)
            return _read(question, answer)
        except Exception as error:  # noqa: BLE001 - fail closed: see the module
            return _failed(question.action, error)

    def ask_sync(self, question: Question) -> Decision:
        """The same, for code that is not async."""
        try:
            answer = self._of_threads().post(self.url + EVALUATION, content=question.body(), headers=_JSON)
            return _read(question, answer)
        except Exception as error:  # noqa: BLE001 - fail closed: see the module
            return _failed(question.action, error)

    async def report(self, decision: str, outcome: str) -> bool:
        """Say what became of a call (codes: outcomes of a call); whether that is recorded now.

        What is not reported within 15 minutes is `not_observed`.
        """
        try:
            answer = await self._of_loop().post(self.url + OUTCOMES, content=_outcome(decision, outcome), headers=_JSON)
            return _recorded(decision, outcome, answer)
        except Exception as error:  # noqa: BLE001 - the call is over: what cannot be said of it changes nothing
            return _unrecorded(decision, outcome, repr(error))

    def report_sync(self, decision: str, outcome: str) -> bool:
        """The same, for code that is not async."""
        try:
            answer = self._of_threads().post(self.url + OUTCOMES, content=_outcome(decision, outcome), headers=_JSON)
            return _recorded(decision, outcome, answer)
        except Exception as error:  # noqa: BLE001 - as above
            return _unrecorded(decision, outcome, repr(error))

    async def aclose(self) -> None:
        """Close this event loop's connections."""
        client = self._client.get(None)
        if client is not None:
            await client.aclose()

    def close(self) -> None:
        """Close the connections of threads."""
        if self._sync is not None:
            self._sync.close()

    def _of_loop(self) -> httpx2.AsyncClient:
        client = self._client.get(None)
        if client is None or client.is_closed:
            client = httpx2.AsyncClient(auth=self._auth, timeout=self._timeout, trust_env=False)
            self._client.set(client)
        return client

    def _of_threads(self) -> httpx2.Client:
        if self._sync is None or self._sync.is_closed:
            self._sync = httpx2.Client(auth=self._auth, timeout=self._timeout, trust_env=False)
        return self._sync


def _read(question: Question, answer: httpx2.Response) -> Decision:
    if len(answer.content) > _TOO_LARGE:
        return unavailable(question.action, "the answer was not understood")
    return answered(question.action, answer.status_code, answer.headers, answer.content)


def _failed(action: str, error: Exception) -> Decision:
    log.warning("remit did not decide %s: %r", action, error)
    if isinstance(error, TokenRefused):
        said = f"no token: {error.cause}"
        if error.cause.error in _FINAL:
            return local(action, "enforcement_unavailable", f"Remit did not decide this: {said}")
        return unavailable(action, said)
    return unavailable(action, f"it could not be asked ({type(error).__name__})")


def _outcome(decision: str, outcome: str) -> bytes:
    return strict_json.encode({"decision": decision, "outcome": outcome})


def _recorded(decision: str, outcome: str, answer: httpx2.Response) -> bool:
    return answer.status_code == _OK or _unrecorded(decision, outcome, f"HTTP status {answer.status_code}")


def _unrecorded(decision: str, outcome: str, why: str) -> bool:
    log.warning("the outcome %s of %s was not recorded: %s", outcome, decision, why)
    return False
