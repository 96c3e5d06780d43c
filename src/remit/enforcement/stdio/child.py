"""One command that runs for one agent: what was said in it so far, and who still may use it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.catalog.model import Server
from remit.enforcement.server_messages import ServerMessage
from remit.enforcement.stdio.conversation import Conversation
from remit.enforcement.stdio.model import ChildLimits, Key
from remit.enforcement.stdio.process import Process
from remit.kernel.errors import RemitError
from remit.policy.model import Call

_CODE_SECONDS: Final = 0.5


@dataclass(slots=True, eq=False, kw_only=True)
class Child:
    """A process and the conversation with it. Belongs to the event loop."""

    key: Key
    process: Process
    limits: ChildLimits
    place: tuple[object, ...]  # `Server.place` that it was started for
    secret: bytes  # digest of the value that its environment holds
    began: float
    used: float
    version: int = 0  # of the secret; 0: it has none
    credential: str = ""  # the secret's name; empty: it has none
    home: int = 0  # which of its key's homes is its own
    users: dict[str, Call] = field(default_factory=dict)  # the newest call of each instance
    sessions: dict[str, None] = field(default_factory=dict)  # in order of their beginning
    greeting: ServerMessage | None = None  # what it answered to `initialize`
    initialized: bool = False  # it was told so
    speaks: bool | None = None  # whether it speaks the modern era; None: not asked yet
    definitions: Sequence[Mapping[str, Any]] | None = None  # what it lists
    judged: Server | None = None  # the catalog's server that they were compared with
    approved: frozenset[str] = frozenset()  # its tools that are as approved
    one: asyncio.Lock = field(default_factory=asyncio.Lock)  # greeting and comparing, one at a time
    stopping: str = ""  # why Remit ends it
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    conversation: Conversation = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _pump: asyncio.Task[None] | None = None
    _reading: bool = False

    def __post_init__(self) -> None:
        self.conversation = Conversation(self.say, self.limits)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self.stopping and not self.gone.is_set() and not self.process.ended

    def join(self, session: str) -> None:
        """Begin a session."""
        self.sessions[session] = None
        if len(self.sessions) > self.limits.sessions:
            del self.sessions[next(iter(self.sessions))]

    def say(self, line: bytes) -> None:
        """Tell it something that nobody waits for."""

        async def write() -> None:
            with contextlib.suppress(OSError):
                await self.process.write(line)

        task = asyncio.get_running_loop().create_task(write())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def begin(self, line_limit: int, ended: Callable[[Child], None]) -> None:
        """Read what it says until it ends; `ended` is told once nothing of it runs any more."""
        self._pump = asyncio.get_running_loop().create_task(self._read(line_limit, ended))

    def stop(self, why: str) -> None:
        """Begin to end it; `gone` is set once nothing of it runs any more."""
        if self.stopping:
            return
        self.stopping = why
        self.conversation.over(why)
        if self._pump is not None and self._reading:
            self._pump.cancel()

    async def _read(self, line_limit: int, ended: Callable[[Child], None]) -> None:
        why = "the command ended"
        try:
            self._reading = True
            if self.stopping:
                return
            async for line in self.process.lines(line_limit):
                self.conversation.heard(line)
        except RemitError as error:
            why = error.public
        except asyncio.CancelledError:
            why = self.stopping or "Remit is stopping"
        finally:
            await self._over(why)
            ended(self)

    async def _over(self, why: str) -> None:
        if not self.stopping:
            with contextlib.suppress(TimeoutError):
                await self.process.settled(_CODE_SECONDS)
        self.conversation.over(f"{why} ({self.process.code})")
        try:
            await self.process.end()
        finally:
            self.gone.set()
