"""Calls that are under way, so that a state change can still cut them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from remit.policy.model import Answer, Call, Code

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
    }
)


def ends(answer: Answer) -> bool:
    """Whether this answer, had to a call that is already running, means that it must stop."""
    return answer.denial is not None and answer.denial.code in _ENDING


@dataclass(slots=True, eq=False)
class Running:
    """A call that was let through, and the task that serves it."""

    call: Call
    task: asyncio.Task[object] | None
    cut: Answer | None = None


class Streams:
    """The running calls of this process. Belongs to the event loop."""

    def __init__(self, again: Callable[[Call], Answer], epoch: Callable[[], int]) -> None:
        self._again = again
        self._epoch = epoch
        self._running: set[Running] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._running)

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

    def changed(self) -> None:
        """From any thread: the state of the world changed. Calls that it no longer lets run are cut.

        Queued on the loop before the change itself is answered, so that whoever made it
        hears of it only after every call it stops was told to stop.
        """
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.recheck)

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop the calls run on."""
        self._loop = loop

    def recheck(self) -> None:
        """Ask again about every running call, and cut those that must end."""
        for running in list(self._running):
            if running.cut is None and ends(answer := self._again(running.call)):
                running.cut = answer
                if running.task is not None:
                    running.task.cancel()
