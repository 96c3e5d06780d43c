"""Who is answered what: the messages of many callers, over the one line that a command has.

Callers number their requests by themselves, and two may take the same number. A command gets
numbers of ours, and progress tokens too; what it says goes back under the caller's own.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from remit.enforcement.denials import UNSURE, error
from remit.enforcement.model import METHOD_NOT_FOUND, RpcId
from remit.enforcement.server_messages import Kind, ServerMessage, notification, read
from remit.enforcement.stdio.model import ChildLimits
from remit.enforcement.upstream import UpstreamFailed
from remit.kernel import canonical
from remit.kernel.errors import Malformed

_PROGRESS: Final = "notifications/progress"
_CHANGED: Final = "notifications/tools/list_changed"
_encoder: Final = msgspec.json.Encoder()


class _Said(msgspec.Struct):
    method: str = ""
    id: str | int | None = None
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_said: Final = msgspec.json.Decoder(_Said)


@dataclass(slots=True, eq=False)
class Waiting:
    """Somebody who waits for messages: of one request, or all that belong to none."""

    number: int  # ours; 0 for a listener
    id: RpcId = None  # the caller's
    session: str = ""
    method: str = ""
    token: str | int | None = None  # the caller's own, for progress
    done: bool = False  # the last message came
    _inbox: deque[tuple[ServerMessage, bytes]] = field(default_factory=deque)
    _size: int = 0
    _ended: str | None = None  # why no more will come
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: ServerMessage, data: bytes, *, most: int) -> bool:
        """Hand a message over; false if it is one too many of those that may be left out."""
        if message.kind is not Kind.RESPONSE and self._size + len(data) > most:
            return False
        self.done = self.done or message.kind is Kind.RESPONSE
        self._inbox.append((message, data))
        self._size += len(data)
        self._news.set()
        return True

    def end(self, why: str) -> None:
        """No more will come."""
        self._ended = why
        self._news.set()

    async def next(self, patience: float | None) -> tuple[ServerMessage, bytes]:
        """The next message.

        Raises:
            UpstreamFailed: None will come, or none came in time.
        """
        try:
            async with asyncio.timeout(patience):
                while not self._inbox and self._ended is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise UpstreamFailed(UNSURE, sent=True, detail=f"no answer within {patience} seconds") from error
        if not self._inbox:
            raise UpstreamFailed(UNSURE, sent=True, detail=self._ended or "")
        message, data = self._inbox.popleft()
        self._size -= len(data)
        return message, data


class Conversation:
    """What is open with one command. Belongs to the event loop.

    Args:
        say: Queues a line for the command; for what nobody waits for.
        limits: Sizes.
    """

    def __init__(self, say: Callable[[bytes], None], limits: ChildLimits) -> None:
        self._say = say
        self._limits = limits
        self._numbers = itertools.count(1)
        self._open: dict[int, Waiting] = {}
        self._listeners: set[Waiting] = set()
        self._garbage = 0
        self._over: str | None = None
        self.changed = False  # the command said that its tools are others now

    @property
    def open(self) -> int:
        """How many requests are not answered yet."""
        return len(self._open)

    def ask(self, data: bytes, *, session: str) -> tuple[Waiting, bytes]:
        """Open a request: who waits for its answer, and its bytes under a number of ours."""
        said = _said.decode(data)
        waiting = Waiting(next(self._numbers), said.id, session, said.method)
        params = None if isinstance(said.params, msgspec.UnsetType) else bytes(said.params)
        if params is not None and b'"progressToken"' in params:
            params = self._own_token(waiting, params)
        self._open[waiting.number] = waiting
        if self._over is not None:
            waiting.end(self._over)
        head = b'{"jsonrpc":"2.0","id":%d,"method":' % waiting.number + _encoder.encode(said.method)
        return waiting, head + (b"}" if params is None else b',"params":' + params + b"}")

    def _own_token(self, waiting: Waiting, params: bytes) -> bytes:
        said = canonical.parse(params)
        meta = said.get("_meta")
        if not isinstance(meta, dict) or not isinstance(token := meta.get("progressToken"), (str, int)):
            return params
        waiting.token = token
        return canonical.encode({**said, "_meta": {**meta, "progressToken": waiting.number}})

    def listen(self) -> Waiting:
        """Hear what belongs to no request."""
        waiting = Waiting(0)
        self._listeners.add(waiting)
        if self._over is not None:
            waiting.end(self._over)
        return waiting

    def leave(self, waiting: Waiting, reason: str) -> None:
        """Nobody waits any more: the command is told, unless it has answered (MCP: `initialize` is not cancelled)."""
        self._listeners.discard(waiting)
        if self._open.pop(waiting.number, None) is not None and not waiting.done and waiting.method != "initialize":
            self._say(_cancelled(waiting.number, reason))

    def cancelled(self, data: bytes, *, session: str) -> bytes | None:
        """A caller's `notifications/cancelled` under our number; None if its request is not open."""
        said = canonical.parse(data).get("params") or {}
        for number, waiting in self._open.items():
            if (waiting.session, waiting.id) == (session, said.get("requestId")):
                return _cancelled(number, str(said.get("reason", ""))[:500])
        return None

    def heard(self, line: bytes) -> None:
        """The command said something.

        Raises:
            Malformed: It has said nothing but what is no message for too long.
        """
        message = read(line)
        if message.kind is Kind.GARBAGE:
            self._garbage += 1
            if self._garbage > self._limits.garbage:
                raise Malformed("the command says what is no message")
            return
        self._garbage = 0
        if message.kind is Kind.RESPONSE:
            self._answered(message)
        elif message.kind is Kind.REQUEST:
            self._asked(message, line)
        else:
            self._told(message, line)

    def over(self, why: str) -> None:
        """The command has ended."""
        self._over = why
        for waiting in (*self._open.values(), *self._listeners):
            waiting.end(why)

    def _answered(self, message: ServerMessage) -> None:
        number = message.id
        waiting = self._open.get(number) if isinstance(number, int) else None
        if waiting is None or waiting.done:
            return  # of a request that was given up, or of none
        del self._open[waiting.number]
        part = b'"result":' + message.result if message.result is not None else b'"error":' + (message.error or b"null")
        data = b'{"jsonrpc":"2.0","id":' + _encoder.encode(waiting.id) + b"," + part + b"}"
        told = ServerMessage(Kind.RESPONSE, waiting.id, result=message.result, error=message.error)
        waiting.put(told, data, most=self._limits.waiting)

    def _asked(self, message: ServerMessage, line: bytes) -> None:
        # Who waits longest is told, and refuses it; with nobody there it is refused here.
        first = next(iter(self._open.values()), None)
        if first is None or not first.put(message, line, most=self._limits.waiting):
            self._say(error(message.id, METHOD_NOT_FOUND, "Method not found"))

    def _told(self, message: ServerMessage, line: bytes) -> None:
        self.changed = self.changed or message.method == _CHANGED
        if message.method == _PROGRESS:
            self._progress(message)
            return
        # With one call open it can only be about that; with several nobody could say about which.
        hearing: Iterator[Waiting] = iter(self._listeners or (self._open.values() if len(self._open) == 1 else ()))
        for waiting in hearing:
            waiting.put(message, line, most=self._limits.waiting)

    def _progress(self, message: ServerMessage) -> None:
        try:
            params: Any = canonical.parse(message.params or b"null")
        except Malformed:
            return
        token = params.get("progressToken") if isinstance(params, dict) else None
        waiting = self._open.get(token) if isinstance(token, int) else None
        if waiting is None or waiting.token is None:
            return
        own = canonical.encode({**params, "progressToken": waiting.token})
        told = ServerMessage(Kind.NOTIFICATION, None, message.method, own)
        waiting.put(told, notification(told), most=self._limits.waiting)


def _cancelled(number: int, reason: str) -> bytes:
    params = {"requestId": number, **({"reason": reason} if reason else {})}
    return canonical.encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
