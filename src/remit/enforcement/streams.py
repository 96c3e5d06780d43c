"""Calls that are under way, so that a state change can still cut them."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from remit.enforcement.model import Outcome
from remit.policy import denial as refuse
from remit.policy.model import Answer, Call, Code

Found = TypeVar("Found")

# What ends a call that runs: the world no longer lets it. Limits do not: the call itself is counted in them.
_ENDING: Final = frozenset(
    {
        Code.REVOKED,
        Code.AGENT_SUSPENDED,
        Code.PURPOSE_CLOSED,
        Code.PURPOSE_MISMATCH,
        Code.NOT_VISIBLE,
        Code.NOT_GRANTED,
        Code.TOOL_DEFINITION_CHANGED,
        Code.FORBIDDEN_BY_POLICY,
        Code.CONSTRAINT_VIOLATED,
        Code.INVALID_ARGUMENTS,
        Code.APPROVAL_REQUIRED,
        Code.DELEGATION_TOO_DEEP,
    }
)
_SUSPENDED: Final = "suspended"
# Causes whose cut calls nobody has asked for (a change made elsewhere) are forgotten after this many others.
_CAUSES_KEPT: Final = 64
_LOOP_SECONDS: Final = 10.0
_VIEW_STEP: Final = 1
_FREEZE_STEP: Final = 3
# Topics that no running call depends on.
_ELSEWHERE: Final = frozenset(
    {"secret", "operators", "peps", "token", "combinations", "keys", "approvals", "declarations", "policy_sets"}
)


def ends(answer: Answer, *, blind: bool = False) -> bool:
    """Whether this answer, had to a call that is already running, means that it must stop.

    An entitlement that was suspended ends what uses it. One that only lapsed for want of use
    does not: a call that runs is use. What an emergency let through ends with the emergency.
    With `blind`, a view that may lack what was changed elsewhere ends it too.
    """
    denial = answer.denial
    if denial is None:
        return False
    if denial.code is Code.ENFORCEMENT_UNAVAILABLE:
        return blind and denial.step == _VIEW_STEP
    if denial.code is Code.ACTIVATION_LAPSED:
        return denial.state == _SUSPENDED or denial.cause == refuse.NOT_OPEN
    return denial.code in _ENDING


def with_tokens(revoked: Callable[[str], bool], ask: Callable[[Call], Found]) -> Callable[[Call], Answer | Found]:
    """`ask`, but a call whose token was revoked is answered with that first (RFC 7009: what it started ends too)."""

    def answer(call: Call) -> Answer | Found:
        caller = call.caller
        # One, all of a run that was ended, or all that a key signed which is distrusted.
        handed = any(revoked(link.token) or revoked(link.run) for link in caller.links)
        if handed or revoked(caller.token) or revoked(caller.run) or revoked(caller.key):
            return Answer(denial=refuse.withdrawn(call, cause="token revoked"))
        return ask(call)

    return answer


@dataclass(frozen=True, slots=True)
class Cut:
    """A call that a state change ended, as whoever made the change is told of it."""

    decision: str
    agent: str
    action: str
    outcome: Outcome  # cut, or outcome_unknown


@dataclass(slots=True, eq=False)
class Running:
    """A call that was let through, the task that serves it, and how far it got.

    `sent`: bytes of it may have left. `answering`: its server has begun a stream of events, so
    what it did so far was seen. A call that was sent and not yet answered may have had any effect.
    """

    call: Call
    task: asyncio.Task[object] | None
    cut: Answer | None = None
    sent: bool = False
    answering: bool = False
    outcome: Outcome = Outcome.NOT_SENT  # once it is cut

    def stop(self, answer: Answer) -> None:
        """Tell it to stop, and settle what will be said of it."""
        self.cut = answer
        if self.sent:
            self.outcome = Outcome.CUT if self.answering else Outcome.OUTCOME_UNKNOWN
        if self.task is not None:
            self.task.cancel()


class Streams:
    """The running calls of this process. Belongs to the event loop.

    Args:
        again: The answer that a call would get now.
        epoch: The newest view's epoch.
        frozen: The answer if a freeze covers the call, else None: much quicker than `again`.
        shared: Others may change what this process does not see. They count a stop as holding here once the view is
            older than the staleness bound, so nothing runs on beyond that either.
    """

    def __init__(
        self,
        again: Callable[[Call], Answer],
        epoch: Callable[[], int],
        frozen: Callable[[Call], Answer | None] = lambda _: None,
        *,
        shared: bool = False,
    ) -> None:
        self._shared = shared
        self._again = again
        self._epoch = epoch
        self._frozen = frozen
        self._running: set[Running] = set()
        self._cuts: OrderedDict[str, list[Cut]] = OrderedDict()  # by cause
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._running)

    def calls(self) -> list[Call]:
        """The calls that run now; from any thread."""
        return [each.call for each in tuple(self._running)]

    @contextmanager
    def running(self, call: Call, *, epoch: int) -> Iterator[Running]:
        """Keep `call`, decided at `epoch`, where a state change finds it for as long as the block runs.

        If it comes back already cut, a change was made while its decision was being
        committed: a freeze that was answered in between must not be followed by a call.
        """
        running = Running(call, asyncio.current_task())
        self._running.add(running)
        if self._epoch() != epoch and ends(answer := self._again(call)):
            running.cut = answer
        try:
            yield running
        finally:
            self._running.discard(running)

    def changed(self, topics: Sequence[str] = ("*",)) -> None:
        """From any thread: what `topics` name changed. Calls that it no longer lets run are cut.

        Queued on the loop before the change itself is answered, so that whoever made it
        hears of it only after every call it stops was told to stop.
        """
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.recheck, tuple(topics))

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop the calls run on."""
        self._loop = loop

    def recheck(self, topics: Sequence[str] = ("*",)) -> None:
        """Ask again about the running calls that `topics` touch, and cut those that must end."""
        for running in list(self._running):
            if running.cut is not None:
                continue
            # A freeze first, and by itself: it is the change that must be felt at once.
            answer = self._frozen(running.call)
            if answer is None and any(_touches(topic, running.call) for topic in topics):
                answer = self._again(running.call)
            if answer is not None and ends(answer):
                self._stop(running, answer)

    async def sweep(self) -> float:
        """Ask again about every running call: what ends by time alone (a run, a boundary, a view that nothing renews)
        is announced by no change.

        One at a time, so that nothing else on the loop waits for more than one question.

        Returns:
            Seconds that asking took, without what the loop did in between.
        """
        spent = 0.0
        for running in list(self._running):
            await asyncio.sleep(0)
            if running.cut is None and running in self._running:
                began = time.perf_counter()
                answer = self._again(running.call)
                spent += time.perf_counter() - began
                if ends(answer, blind=self._shared):
                    self._stop(running, answer)
        return spent

    def cut_by(self, cause: str) -> list[Cut]:
        """From a worker thread, after the change: the calls that `cause` (a freeze's id) cut on this node; asked once.

        Every call that the change covers was told to stop when this returns. With no loop there are no calls.

        Raises:
            TimeoutError: The event loop hangs; the change holds all the same.
        """
        if self._loop is None or not self._loop.is_running():
            return []
        found: Future[list[Cut]] = Future()
        self._loop.call_soon_threadsafe(lambda: found.set_result(self._cuts.pop(cause, [])))
        return found.result(_LOOP_SECONDS)

    def _stop(self, running: Running, answer: Answer) -> None:
        running.stop(answer)
        # Only who made a freeze asks what it cut; the end of a run has nobody to ask.
        cause = answer.denial.cause if answer.denial is not None and answer.denial.step == _FREEZE_STEP else None
        if cause is None or running.outcome is Outcome.NOT_SENT:
            return
        call = running.call
        cut = Cut(call.id, call.caller.agent, call.action, running.outcome)
        self._cuts.setdefault(cause, []).append(cut)
        if len(self._cuts) > _CAUSES_KEPT:
            self._cuts.popitem(last=False)


def _touches(topic: str, call: Call) -> bool:
    """Whether a change of `topic` may concern `call`. What is not known concerns every call."""
    kind, _, name = topic.partition(":")
    match kind:
        case "agent" | "activations":
            return name == call.caller.agent or any(name == link.agent for link in call.caller.links)
        case "server":
            return name == call.server
        case "purpose":
            return name == call.caller.purpose
        case "freezes":
            return False  # asked already
        case _:
            return kind not in _ELSEWHERE
