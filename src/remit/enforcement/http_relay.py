"""Carries an admitted HTTP call to its server and the answer back, looking at all of it on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec

from remit.enforcement import denials, http_answers, http_events, http_headers, http_target
from remit.enforcement.asgi import Gone, Watch
from remit.enforcement.http_answers import Headers
from remit.enforcement.http_events import WholeEvents
from remit.enforcement.http_exchange import HttpExchange
from remit.enforcement.http_upstream import HttpReply, HttpUpstream, Sent
from remit.enforcement.model import Admitted, EnforcementUnavailable, Outcome
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.streams import Running, Streams
from remit.enforcement.upstream import SecretEchoed, UpstreamFailed
from remit.kernel.errors import RemitError, TooLarge
from remit.logs import logger
from remit.outbound.model import Streamed
from remit.policy.denial import not_granted, undecided
from remit.policy.model import Answer, Code, Denial

log = logger(__name__)

_ERRORS: Final = 400
_SERVER_ERRORS: Final = 500
_GATEWAY: Final = 502


class Ending(msgspec.Struct, frozen=True):
    """How a call ended: what is recorded, and what its agent is told if it was told nothing yet.

    `broken`: what went out already is not the whole answer, and must not look like one. `last`: a stream's last event.
    """

    outcome: Outcome
    detail: str = ""
    status: int = 0
    body: bytes = b""
    headers: Headers = []  # a new one for each
    broken: bool = False
    last: bytes = b""


class HttpRelay:
    """Forwards what was admitted. Belongs to the event loop."""

    def __init__(self, pipeline: Pipeline, upstream: HttpUpstream, streams: Streams) -> None:
        self._pipeline = pipeline
        self._upstream = upstream
        self._streams = streams

    async def forward(self, x: HttpExchange, admitted: Admitted, sent: Sent) -> None:
        """Forward a request, answer the agent, and record the outcome."""
        ending = await self._guarded(x, admitted, sent)
        if admitted.after:  # at whatever node the next call comes in, it finds what it stands on
            await self._pipeline.conclude(admitted, ending.outcome, detail=ending.detail, cause=_cause(x))
            await self._told(x, ending)
            return
        try:
            await self._told(x, ending)
        finally:
            self._pipeline.outcome(admitted, ending.outcome, detail=ending.detail, cause=_cause(x))

    def refuse(self, admitted: Admitted, answer: Answer) -> tuple[int, bytes, Headers]:
        """A denial as this agent is told it."""
        denial = answer.denial
        if denial is None or denial.code is Code.NOT_VISIBLE:
            return http_answers.hidden()
        return http_answers.denied(self._pipeline.told(admitted, denial))

    async def _told(self, x: HttpExchange, ending: Ending) -> None:
        if not x.started:
            await x.whole(ending.status or _GATEWAY, ending.body, ending.headers)
        elif not ending.broken:
            await x.end()
        elif x.events and ending.last:
            await x.end(ending.last)
        # Else the head has gone, and the rest never comes: the connection is closed in the middle of its body.

    async def _guarded(self, x: HttpExchange, admitted: Admitted, sent: Sent) -> Ending:
        """Carry it where a state change can cut it, and make an ending of however that comes out."""
        with self._streams.running(admitted.call, epoch=admitted.epoch) as running:
            x.running = running
            if running.cut is not None:
                return self._cut(x, admitted, running.cut, Outcome.NOT_SENT)
            watch = None if isinstance(sent.body, Streamed) else _watch(x, running)
            try:
                ending = await self._worked(x, admitted, sent)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or (running.cut is None and not x.gone):
                    self._pipeline.outcome(admitted, Outcome.OUTCOME_UNKNOWN, detail="the server is shutting down")
                    raise
                task.uncancel()
                ending = Ending(Outcome.OUTCOME_UNKNOWN, "the agent went away", broken=True)
            finally:
                if watch is not None:
                    watch.stop()
            # Also if something on the way took the cancellation for its own: what was listed as cut is cut.
            return ending if running.cut is None else self._cut(x, admitted, running.cut, running.outcome)

    async def _worked(  # noqa: PLR0911 - one for each way to end
        self, x: HttpExchange, admitted: Admitted, sent: Sent
    ) -> Ending:
        try:
            return await self._carried(x, admitted, sent)
        except SecretEchoed:
            self._pipeline.incident("secret_echoed", call=admitted.call, detail=f"by {x.server}")
            return _problem(Outcome.CUT, "the answer carried an injected secret", denials.WITHHELD)
        except UpstreamFailed as error:
            if error.forbidden:  # a name that leads to an address which is never called, whoever registered it
                status, body, headers = http_answers.blocked()
                return Ending(Outcome.NOT_SENT, error.detail, status, body, headers, broken=True)
            outcome = Outcome.OUTCOME_UNKNOWN if error.sent else Outcome.NOT_SENT
            return _problem(outcome, error.detail or error.public, error.public, retry=not error.sent)
        except TooLarge as error:
            return _problem(Outcome.CUT, error.public, denials.TOO_LARGE)
        except Gone:
            x.gone = True
            sent_some = x.running is not None and x.running.sent
            return Ending(
                Outcome.OUTCOME_UNKNOWN if sent_some else Outcome.NOT_SENT, "the agent went away", broken=True
            )
        except EnforcementUnavailable as error:
            status, body, headers = http_answers.denied(error.told or undecided())
            return Ending(Outcome.CUT, error.detail, status, body, headers, broken=True)
        except RemitError as error:
            # The vault is locked or has no such secret, or a person has to lend it first: nothing was sent.
            told = self._pipeline.told_now(admitted, denials.without_credential(error))
            status, body, headers = http_answers.denied(told)
            return Ending(Outcome.NOT_SENT, f"{error.code}: {error.public} {error.detail}", status, body, headers)
        except Exception as error:
            # Whatever broke, the call may have left; it must not stay without an outcome.
            log.exception("a relay failed", server=x.server)
            return _problem(Outcome.OUTCOME_UNKNOWN, repr(error)[:300], denials.UNSURE)

    async def _carried(self, x: HttpExchange, admitted: Admitted, sent: Sent) -> Ending:
        if admitted.server is None:
            raise UpstreamFailed(denials.UNREACHABLE, sent=False, detail="no such server any more")
        async with await self._upstream.send(admitted.server, sent, leaves=x.leaves, call=admitted.call) as reply:
            x.answering()
            reply.check()
            headers = _headers(x, reply, admitted.server.url)
            x.events = http_events.is_stream(value for name, value in reply.headers if name.lower() == "content-type")
            if not reply.streams:
                return await self._whole(x, admitted, reply, headers)
            if isinstance(sent.body, Streamed):
                with _watching(x):
                    return await self._streamed(x, admitted, reply, headers)
            return await self._streamed(x, admitted, reply, headers)

    async def _whole(self, x: HttpExchange, admitted: Admitted, reply: HttpReply, headers: Headers) -> Ending:
        body = await reply.read()
        if (ended := await self._counted(admitted, len(body))) is not None:
            return ended
        outcome, detail = _outcome(reply.status)
        return Ending(outcome, detail, reply.status, http_events.others(body) if x.events else body, headers)

    async def _streamed(self, x: HttpExchange, admitted: Admitted, reply: HttpReply, headers: Headers) -> Ending:
        whole = WholeEvents(self._upstream.limits.event) if x.events else None
        if reply.length is not None:
            headers = [*headers, (b"content-length", str(reply.length).encode("ascii"))]
        async for chunk in reply.looked():
            if (ended := await self._counted(admitted, len(chunk))) is not None:
                return ended
            if not x.started:  # what is wrong with its beginning can still be said
                await x.begin(reply.status, headers)
            passed = chunk if whole is None else http_events.others(whole.feed(chunk))
            if passed:
                await x.part(passed)
        if not x.started:
            await x.begin(reply.status, headers)
        return Ending(*_outcome(reply.status))

    async def _counted(self, admitted: Admitted, size: int) -> Ending | None:
        """Count what is about to pass; how the call ends if it may not. What its server did is done: it was cut."""
        if admitted.meter is None:
            return None
        if (denial := await self._pipeline.passing.count(admitted, size)) is None:
            return None
        return self._ended_by(admitted, denial, Outcome.CUT, "the volume is used up")

    def _cut(self, x: HttpExchange, admitted: Admitted, answer: Answer, outcome: Outcome) -> Ending:
        denial = answer.denial
        detail = f"a state change came first: {denial.code.value if denial else ''}"
        if denial is None or (denial.code is Code.NOT_VISIBLE and outcome is Outcome.NOT_SENT):
            status, body, headers = http_answers.hidden()
            return Ending(outcome, detail, status, body, headers, broken=x.started)
        if denial.code is Code.NOT_VISIBLE:
            # The agent was let through a moment ago: this tells it nothing that it did not know.
            denial = not_granted(admitted.call)
        return self._ended_by(admitted, denial, outcome, detail)

    def _ended_by(self, admitted: Admitted, denial: Denial, outcome: Outcome, detail: str) -> Ending:
        told = self._pipeline.told_now(admitted, denial)
        status, body, headers = http_answers.denied(told)
        return Ending(outcome, detail, status, body, headers, broken=True, last=http_answers.last_event(told))


@contextlib.contextmanager
def _watching(x: HttpExchange) -> Iterator[None]:
    """Hear of an agent that goes away, once its body has been read."""
    watch = _watch(x, x.running)
    try:
        yield
    finally:
        watch.stop()


def _watch(x: HttpExchange, running: Running | None) -> Watch:
    def gone() -> None:
        x.gone = True  # closing the response is the cancellation
        if running is not None and running.task is not None:
            running.task.cancel()

    return Watch(x.receive, gone)


def _headers(x: HttpExchange, reply: HttpReply, base: str) -> Headers:
    """The answer's head: a redirect is followed by nobody here, and leads back here or nowhere."""
    found = http_headers.back(reply.headers)
    said = next((value for name, value in reply.headers if name.lower() == "location"), None)
    here = None if said is None else http_target.local(said, base=base, here=x.here)
    if here is not None:
        found.append((b"location", here.encode("ascii")))
    if x.method == "HEAD" and reply.announced is not None:
        found.append((b"content-length", str(reply.announced).encode("ascii")))
    return found


def _problem(outcome: Outcome, detail: str, public: str, *, retry: bool = False) -> Ending:
    status, body, headers = http_answers.problem(_GATEWAY, "unexpected", public, retry=retry)
    return Ending(outcome, detail, status, body, headers, broken=True)


def _outcome(status: int) -> tuple[Outcome, str]:
    """What an HTTP status says of a call: a client error is the server's no, and of its own errors nobody knows.

    The log gets no line of a call that ended as most do: its record says so, and a line is a system call and more.
    """
    if status < _ERRORS:
        return Outcome.OK, ""
    return (Outcome.ERROR if status < _SERVER_ERRORS else Outcome.OUTCOME_UNKNOWN), f"HTTP {status}"


def _cause(x: HttpExchange) -> str:
    """What cut the call, for its outcome: a freeze's id, or the code that it would be denied with."""
    denial = x.running.cut.denial if x.running is not None and x.running.cut is not None else None
    if denial is None:
        return ""
    return denial.cause if denial.code is Code.REVOKED and denial.cause else denial.code.value
