"""A command's answer, read as a server's HTTP answer is. Implements remit.enforcement.ports.Reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Self

from remit.enforcement.denials import NO_ANSWER
from remit.enforcement.events import Event
from remit.enforcement.model import Limits
from remit.enforcement.ports import Scanner
from remit.enforcement.server_messages import Kind
from remit.enforcement.stdio.child import Child
from remit.enforcement.stdio.conversation import Waiting
from remit.enforcement.upstream import UpstreamFailed
from remit.kernel.errors import TooLarge

_OK: Final = 200


@dataclass(slots=True)
class Brief:
    """An answer that is there already: one message, or none."""

    status: int = _OK
    body: bytes = b""
    session: str | None = None
    streams: bool = False
    looks: Scanner | None = None  # for the secret that its environment holds

    @property
    def json(self) -> bool:
        """Whether there is a message."""
        return bool(self.body)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is left."""

    def echoes(self, chunk: bytes) -> bool:
        """Whether it carries the injected secret; nothing of Remit's own does."""
        return self.looks is not None and self.looks.feed(chunk)

    async def read(self) -> bytes:
        """The message."""
        return self.body

    async def events(self) -> AsyncIterator[Event]:
        """There are none."""
        for _ in ():
            yield Event(b"")


class Told:
    """What a command says about one request, or about none: one message if the answer comes first, else a stream."""

    status: Final = _OK

    def __init__(
        self,
        child: Child,
        waiting: Waiting,
        first: tuple[bytes, bool] | None,
        *,
        limits: Limits,
        scanner: Scanner | None,
    ) -> None:
        self._child = child
        self._waiting = waiting
        self._first = first  # its first message, and whether that is the answer
        self._limits = limits
        self._scanner = scanner
        self.session: str | None = None
        self.json = first is not None and first[1]
        self.streams = not self.json

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._child.conversation.leave(self._waiting, "nobody waits for it any more")

    def echoes(self, chunk: bytes) -> bool:
        """Whether it carries the injected secret."""
        return self._scanner is not None and self._scanner.feed(chunk)

    async def read(self) -> bytes:
        """The answer.

        Raises:
            UpstreamFailed: It is none.
            TooLarge: It is over the limit.
        """
        if self._first is None:
            raise UpstreamFailed(NO_ANSWER, sent=True, answered=True)
        if len(self._first[0]) > self._limits.response:
            raise TooLarge("the server's answer is too large")
        return self._first[0]

    async def events(self) -> AsyncIterator[Event]:
        """Messages as they come; the answer is the last one.

        Raises:
            UpstreamFailed: The command ended, or is silent.
            TooLarge: One message, or all of them, are over the limit.
        """
        size, last = 0, False
        if self._first is not None:
            size, last = len(self._first[0]), self._first[1]
            yield Event(self._first[0])
        while not last:
            try:
                message, data = await self._waiting.next(self._limits.silence if self._waiting.number else None)
            except UpstreamFailed:
                if not self._waiting.number:
                    return  # what belongs to no request ends with the command, and that is all there is to say
                raise
            size, last = size + len(data), message.kind is Kind.RESPONSE
            if len(data) > self._limits.event or size > self._limits.stream:
                raise TooLarge("the server's answer is too large")
            yield Event(data)
