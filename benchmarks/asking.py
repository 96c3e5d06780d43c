"""An enforcement point with 64 connections, each asking one question after the other: `asking.py PORT TOKEN COUNT`.

Prints the answers a second. A process of its own, and as little of a client as will do, so that what is
measured is the server. Every answer is checked.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvloop

CONNECTIONS = 64
ALLOWED = b'{"decision":true}'
_HEAD = (
    "POST /access/v1/evaluation HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"
)
_BODY = (
    '{{"subject":{{"type":"agent","id":"invoice-bot"}},"action":{{"name":"payments/transfer"}},'
    '"resource":{{"type":"server","id":"payments"}},"context":{{"purpose":"pay-invoices","arguments":'
    '{{"to":"DE89370400440532013000","amount":{}.{:02},"currency":"EUR"}}}}}}'
)


def request(token: str, number: int) -> bytes:
    """The question of that number, about an amount within the agent's bounds."""
    body = _BODY.format(number % 499, number % 100)
    return _HEAD.format(token, len(body), body).encode("ascii")


class Connection(asyncio.Protocol):
    """One caller: sends a request, reads its whole answer, sends the next. `fine` tells the answer that is expected."""

    def __init__(self, requests: Iterator[bytes], fine: Callable[[bytes], bool]) -> None:
        self.requests = requests
        self.fine = fine
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.transport: Any = None  # uvloop's own, which is of no asyncio class

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as above
        self.transport = transport

    def next(self) -> None:
        """Send one more, if there is one."""
        if (one := next(self.requests, None)) is not None:
            self.transport.write(one)
        elif not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 200") or not self.fine(body):
            self.done.set_exception(AssertionError(self.buffer))
            return
        self.buffer = b""
        self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or AssertionError("the server closed the connection"))


async def rate(port: int, requests: Sequence[bytes], fine: Callable[[bytes], bool]) -> float:
    """Answers a second, from the first request to the last answer, with connections already open."""
    left, loop = iter(requests), asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda: Connection(left, fine), "127.0.0.1", port))[1] for _ in range(CONNECTIONS)
    ]
    gc.collect()
    began = time.perf_counter()
    for caller in callers:
        caller.next()
    await asyncio.gather(*(caller.done for caller in callers))
    seconds = time.perf_counter() - began
    for caller in callers:
        caller.transport.close()
    return len(requests) / seconds


async def main(port: int, token: str, count: int) -> float:
    """Answers a second to as many questions."""
    return await rate(port, [request(token, number) for number in range(count)], ALLOWED.__eq__)


if __name__ == "__main__":
    print(uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
