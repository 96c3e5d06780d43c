"""Carries an admitted call to its server and the answer back, looking at every message on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.enforcement import denials, era
from remit.enforcement.asgi import Watch
from remit.enforcement.asks import Asks
from remit.enforcement.exchange import Exchange
from remit.enforcement.farewell import Farewell
from remit.enforcement.model import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    Admitted,
    BadMessage,
    EnforcementUnavailable,
    Message,
    Outcome,
)
from remit.enforcement.notices import passes
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.ports import Reply, Upstream
from remit.enforcement.server_messages import (
    INPUT,
    TASK,
    URLS,
    Finished,
    Kind,
    ServerMessage,
    failed,
    finish,
    notification,
    read,
    result_object,
    traced,
    unreadable,
)
from remit.enforcement.states import States
from remit.enforcement.streams import Running, Streams, ends
from remit.enforcement.tasks import NOTICE, Tasks, TaskUnknown, made
from remit.enforcement.upstream import SecretEchoed, UpstreamFailed
from remit.kernel.errors import Malformed, RemitError, TooLarge
from remit.logs import logger
from remit.policy.denial import not_granted, unavailable
from remit.policy.model import Answer, Code

log = logger(__name__)

_OK: Final = 200
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_NOT_ALLOWED: Final = 405
_REDIRECTS: Final = 300
_SERVER_ERROR: Final = 500
_BAD_GATEWAY: Final = 502
_PASSED_STATUSES: Final = frozenset({_OK, _BAD_REQUEST, _NOT_FOUND})
# Redirects are not followed, and what a server thinks of our credential is no agent's business.
_NEVER_READ: Final = frozenset({*range(300, 400), 401, 403, 407})


@dataclass(frozen=True, slots=True)
class Carried:
    """An answer for the agent, with its HTTP status."""

    finished: Finished
    status: int = _OK


Work = Callable[[], Awaitable[Carried]]


class Relay:
    """Forwards what was admitted. Belongs to the event loop."""

    def __init__(self, pipeline: Pipeline, upstream: Upstream, streams: Streams, states: States) -> None:
        self._pipeline = pipeline
        self.upstream = upstream
        self._streams = streams
        self.farewell = Farewell(pipeline, upstream)
        self.asks = Asks(pipeline, upstream, states)
        self.tasks = Tasks()

    async def call(self, x: Exchange, admitted: Admitted, data: bytes, headers: Mapping[str, str]) -> Finished:
        """Forward a request, answer the agent, and record the outcome."""

        async def carry() -> Carried:
            async with await self._send(x, admitted, headers, data) as reply:
                return await self._carry(x, admitted, reply)

        return await self.deliver(x, admitted, carry)

    async def deliver(self, x: Exchange, admitted: Admitted, work: Work) -> Finished:
        """Do `work` where a state change can cut it, answer the agent with what it brings, and record the outcome."""
        carried = await self._guarded(x, admitted, work)
        finished = traced(carried.finished, id=x.id, decision=admitted.call.id)
        if admitted.after:  # at whatever node the next call comes in, it finds what it stands on
            await self._pipeline.conclude(admitted, finished.outcome, detail=finished.detail, cause=_cause(x))
            await x.finish(finished.body, carried.status)
            return finished
        try:
            await x.finish(finished.body, carried.status)
        finally:
            self._pipeline.outcome(admitted, finished.outcome, detail=finished.detail, cause=_cause(x))
        return finished

    async def _guarded(self, x: Exchange, admitted: Admitted, work: Work) -> Carried:
        """Do `work` where a state change can cut it, and make an answer of however it ends."""
        with self._streams.running(admitted.call, epoch=admitted.epoch) as running:
            x.running = running
            if running.cut is not None:
                return self._refused(x, admitted, running.cut, Outcome.NOT_SENT)
            watch = Watch(x.receive, lambda: self._gone(x, running))
            try:
                carried = await self._worked(x, admitted, work)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or (running.cut is None and not x.gone):
                    self._pipeline.outcome(admitted, Outcome.OUTCOME_UNKNOWN, detail="the server is shutting down")
                    raise
                task.uncancel()
                carried = Carried(Finished(b"", Outcome.OUTCOME_UNKNOWN, "the agent went away"))
            finally:
                watch.stop()
                self.asks.over(x)
            # Also if something on the way took the cancellation for its own: what was listed as cut is cut.
            return carried if running.cut is None else self._ended(x, admitted, running, running.cut)

    def _ended(self, x: Exchange, admitted: Admitted, running: Running, answer: Answer) -> Carried:
        """The last word of a call that a state change ended, and what its server is still to be told."""
        if running.outcome is not Outcome.NOT_SENT and not x.modern:
            self.asks.keep(self.farewell.say(x, admitted))
        return self._refused(x, admitted, answer, running.outcome)

    async def notify(self, x: Exchange, admitted: Admitted, data: bytes, headers: Mapping[str, str]) -> None:
        """Forward a notification; nobody waits for an answer."""
        await self._told(x, admitted, lambda: self._send(x, admitted, headers, data))

    async def end(self, x: Exchange, admitted: Admitted, headers: Mapping[str, str]) -> None:
        """End a session at the server (DELETE). However it takes that, here nobody can use it any more."""
        await self._told(x, admitted, lambda: self._send(x, admitted, headers, None, "DELETE"))

    async def listen(self, x: Exchange, admitted: Admitted, headers: Mapping[str, str]) -> None:
        """Relay the stream of a session's own messages (GET) until either side ends it."""

        async def carry() -> Carried:
            async with await self._send(x, admitted, headers, None, "GET") as reply:
                if not reply.streams:
                    return Carried(_unread(x, reply.status), _NOT_ALLOWED)
                x.answering()
                await x.begin()
                await self._events(x, admitted, reply, answering=False)
                return Carried(Finished(b"", Outcome.OK))

        carried = await self._guarded(x, admitted, carry)
        try:
            if x.streaming:
                cut = x.running is not None and x.running.cut is not None
                await x.finish(carried.finished.body if cut else b"")
            else:
                await x.finish(carried.finished.body, _BAD_GATEWAY if carried.status == _OK else carried.status)
        finally:
            outcome = Outcome.OK if x.gone else carried.finished.outcome
            self._pipeline.outcome(admitted, outcome, detail=carried.finished.detail, cause=_cause(x))

    async def _told(self, x: Exchange, admitted: Admitted, sending: Callable[[], Awaitable[Reply]]) -> None:
        async def carry() -> Carried:
            async with await sending() as reply:
                outcome = Outcome.OK if reply.status < _REDIRECTS else _said_by(reply.status)
                return Carried(Finished(b"", outcome, "" if outcome is Outcome.OK else f"HTTP {reply.status}"))

        finished = (await self._guarded(x, admitted, carry)).finished
        self._pipeline.outcome(admitted, finished.outcome, detail=finished.detail, cause=_cause(x))

    async def drain(self) -> None:
        """Wait for answers to servers that are still on their way."""
        await self.asks.drain()

    def refusal(self, x: Exchange, admitted: Admitted, answer: Answer) -> bytes:
        """A denial as this agent is told it, by the method it used."""
        denial = answer.denial
        if denial is None or denial.code is Code.NOT_VISIBLE:
            return denials.not_visible(x.id, x.method, admitted.call.tool or x.named)
        return denials.denied(x.id, x.method, self._pipeline.told(admitted, denial), modern=x.modern)

    def _gone(self, x: Exchange, running: Running) -> None:
        x.gone = True
        # Modern: closing the response is the cancellation. Before, a call runs on, so its outcome is still awaited.
        if (x.modern or x.message is None) and running.task is not None:
            running.task.cancel()

    async def _send(
        self, x: Exchange, admitted: Admitted, headers: Mapping[str, str], data: bytes | None, method: str = "POST"
    ) -> Reply:
        if admitted.server is None:
            raise UpstreamFailed(denials.UNREACHABLE, sent=False, detail="no such server any more")
        x.leaves()
        return await self.upstream.send(admitted.server, headers=headers, data=data, method=method, call=admitted.call)

    async def _worked(self, x: Exchange, admitted: Admitted, work: Work) -> Carried:
        try:
            carried = await work()
        except SecretEchoed:
            carried = Carried(self._echoed(x, admitted))
        except UpstreamFailed as error:
            carried = Carried(failed(x.id, error.public, error.detail, outcome=_outcome_of(error)))
        except TooLarge as error:
            carried = Carried(failed(x.id, denials.TOO_LARGE, error.public, outcome=Outcome.CUT))
        except RemitError as error:
            # The vault is locked or has no such secret: nothing was sent, and trying again may help.
            body = denials.unavailable(x.id, self._pipeline.told_now(admitted, unavailable(step=11, cause=error.code)))
            carried = Carried(Finished(body, Outcome.NOT_SENT, f"{error.code}: {error.public} {error.detail}"))
        except Exception as error:
            # Whatever broke, the call may have left; it must not stay without an outcome.
            log.exception("a relay failed", server=x.server)
            carried = Carried(unreadable(x.id, repr(error)[:300]))
        return carried

    async def _carry(self, x: Exchange, admitted: Admitted, reply: Reply) -> Carried:
        if x.session is not None and reply.status == _NOT_FOUND:
            body = denials.error(x.id, INVALID_REQUEST, denials.UNKNOWN_SESSION)
            return Carried(Finished(body, Outcome.ERROR, "the server ended the session"), _NOT_FOUND)
        if reply.status in _NEVER_READ or not (reply.json or reply.streams):
            return Carried(_unread(x, reply.status))
        if x.opening is not None and reply.status == _OK and reply.session:
            x.opening(reply.session)
        if reply.streams:
            x.answering()
            return Carried(await self._events(x, admitted, reply, answering=True))
        return await self._json(x, admitted, reply)

    async def _json(self, x: Exchange, admitted: Admitted, reply: Reply) -> Carried:
        body = await reply.read()
        if reply.echoes(body):
            return Carried(self._echoed(x, admitted))
        message = read(body)
        if message.kind is not Kind.RESPONSE:
            return Carried(_unread(x, reply.status))
        status = reply.status if reply.status in _PASSED_STATUSES else _OK
        return Carried(await self._finished(x, admitted, message), status)

    async def _events(self, x: Exchange, admitted: Admitted, reply: Reply, *, answering: bool) -> Finished:
        async for event in reply.events():
            if not event.data:
                await x.ping()
                continue
            if reply.echoes(event.data):
                return self._echoed(x, admitted)
            message = read(event.data)
            if message.kind is Kind.RESPONSE and answering and message.id == x.id:
                return await self._finished(x, admitted, message)
            if message.kind is Kind.NOTIFICATION:
                told = self._notice(x, message)
                if told is not None and (used_up := await self.counted(x, admitted, len(told))) is not None:
                    return used_up
                if told is not None:
                    await x.event(told)
            elif message.kind is Kind.REQUEST:
                await self.asks.hear(x, admitted, message)
        if not answering:
            return Finished(b"", Outcome.OK)
        return unreadable(x.id, "the stream ended early")

    async def _finished(self, x: Exchange, admitted: Admitted, message: ServerMessage) -> Finished:
        """A response as the agent gets it: what it asks, or has the agent wait for, is decided first."""
        finished = finish(message, id=x.id, method=x.method, modern=x.modern, granted=lambda: x.granted)
        if finished.special == INPUT:
            finished = await self.asks.required(x, admitted, finished)
        elif finished.special == URLS:
            finished = await self.asks.urls(x, admitted, finished)
        elif finished.special == TASK or (not x.modern and x.method == "tools/call" and "task" in _params(x)):
            finished = self._task_made(x, admitted, finished)
        return await self.counted(x, admitted, len(finished.body)) or finished

    def _task_made(self, x: Exchange, admitted: Admitted, finished: Finished) -> Finished:
        """A call that became a task: bound to its agent, if that may ask for what comes of it."""
        if finished.result is None or (x.modern and "tasks/get" not in x.granted):
            return finished
        try:
            result = result_object(finished.result)
        except Malformed as error:
            return unreadable(x.id, error.public)
        id_ = made(result, modern=x.modern)
        if id_ is None:
            return finished
        if not self.tasks.note(admitted.call, id_):
            self._pipeline.incident("foreign_task", call=admitted.call, detail=f"of {x.server}: {id_!r}"[:300])
            return unreadable(x.id, "the id of another agent's task")
        return Finished(denials.result(x.id, result), Outcome.OK)

    async def own_task(self, x: Exchange, admitted: Admitted, sent: Message) -> None:
        """See that a task is this agent's, and that what made it may still be called.

        Raises:
            BadMessage: It is not; recorded with whose it is.
        """
        try:
            self.tasks.of(admitted.call, _params(x).get("taskId"), lambda made_by: ends(self._pipeline.again(made_by)))
        except TaskUnknown as error:
            self._pipeline.outcome(admitted, Outcome.NOT_SENT, detail="no task of this agent's")
            if error.detail:
                await self._pipeline.refuse(
                    x.caller, None, server=x.server, reason="foreign_task", method=x.method, owner=error.detail,
                    decision=admitted.call.id,
                )  # fmt: skip
            raise BadMessage(INVALID_PARAMS, error.public, id=sent.id, status=_OK) from error

    def _notice(self, x: Exchange, message: ServerMessage) -> bytes | None:
        if message.method == "notifications/cancelled":
            return self.asks.cancelled(x, message)
        if message.method not in era.SERVER_NOTIFICATIONS and message.method != NOTICE:
            return None
        return notification(message) if passes(x, message, self.tasks) else None

    async def counted(self, x: Exchange, admitted: Admitted, size: int) -> Finished | None:
        """Count what is about to pass; how the call ends if it may not. What its server did is done: it was cut."""
        if admitted.meter is None:
            return None
        try:
            denial = await self._pipeline.passing.count(admitted, size)
        except EnforcementUnavailable as error:
            return Finished(denials.unavailable(x.id), Outcome.CUT, error.detail)
        if denial is None:
            return None
        told = self._pipeline.told_now(admitted, denial)
        return Finished(denials.denied_method(x.id, told), Outcome.CUT, "the volume is used up")

    def _echoed(self, x: Exchange, admitted: Admitted) -> Finished:
        self._pipeline.incident("secret_echoed", call=admitted.call, detail=f"by {x.server}")
        return failed(x.id, denials.WITHHELD, "the answer carried an injected secret", outcome=Outcome.CUT)

    def _refused(self, x: Exchange, admitted: Admitted, answer: Answer, outcome: Outcome) -> Carried:
        denial = answer.denial
        detail = f"a state change came first: {denial.code.value if denial else ''}"
        if outcome is Outcome.NOT_SENT or denial is None:
            return Carried(Finished(self.refusal(x, admitted, answer), outcome, detail))
        if denial.code is Code.NOT_VISIBLE:
            # The agent was let through a moment ago: this tells it nothing that it did not know.
            denial = not_granted(admitted.call)
        told = self._pipeline.told_now(admitted, denial)
        return Carried(Finished(denials.denied_method(x.id, told), outcome, detail))


def _params(x: Exchange) -> Mapping[str, Any]:
    return (x.message.params if x.message is not None else None) or {}


def _cause(x: Exchange) -> str:
    """What cut the call of `x`, for its outcome: a freeze's id, or the code it would be denied with."""
    denial = x.running.cut.denial if x.running is not None and x.running.cut is not None else None
    if denial is None:
        return ""
    return denial.cause if denial.code is Code.REVOKED and denial.cause else denial.code.value


def _outcome_of(error: RemitError) -> Outcome:
    if isinstance(error, UpstreamFailed) and error.sent:
        return _said_by(error.status)
    return Outcome.NOT_SENT


def _said_by(status: int) -> Outcome:
    """What an HTTP status alone says of a call: only a redirect or a client error is a no."""
    return Outcome.ERROR if _REDIRECTS <= status < _SERVER_ERROR else Outcome.OUTCOME_UNKNOWN


def _unread(x: Exchange, status: int) -> Finished:
    """An answer without a JSON-RPC response in it."""
    detail = f"HTTP {status}: no JSON-RPC response"
    return failed(x.id, denials.NO_ANSWER, detail) if _said_by(status) is Outcome.ERROR else unreadable(x.id, detail)
