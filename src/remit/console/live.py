"""Live entries: what was recorded since, read from the log only while somebody looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from sqlalchemy import Connection

from remit.audit.sql import SqlLog
from remit.audit.stored import header, read_bundle
from remit.console.entries import line
from remit.kernel.errors import Malformed, RemitError
from remit.storage.ports import Reader

EVERY: Final = 0.3  # seconds between two looks
_HEARTBEAT: Final = 50  # looks without news before a comment keeps the connection open
_SHOWN: Final = frozenset({"decision", "verdict", "refused", "unavailable", "incident", "change"})
_AT_ONCE = 200
_BEFORE = 20  # commits shown to somebody who just came


def newest(connection: Connection) -> int:
    """The number of the newest bundle."""
    return SqlLog(connection).newest_bundle()


def since(bundle: int) -> Callable[[Connection], tuple[int, list[dict[str, Any]]]]:
    """A query for what was recorded after `bundle`: the newest bundle read, and its lines."""

    def query(connection: Connection) -> tuple[int, list[dict[str, Any]]]:
        at, lines = bundle, []
        for each in SqlLog(connection).after(bundle, _AT_ONCE):
            at = each.bundle
            for raw in read_bundle(each.headers, each.count)[0]:
                try:
                    said = header(raw)
                except Malformed:
                    continue
                if said.get("kind") in _SHOWN:
                    lines.append(line(said, None))
        return at, lines

    return query


async def events(reader: Reader, open_still: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Server-sent events, one for each entry, until the session ends (the caller stops when the browser goes)."""
    at, quiet = max(0, await asyncio.to_thread(reader.read, newest) - _BEFORE), 0
    yield b": open\n\n"
    while open_still():
        await asyncio.sleep(EVERY)
        try:
            at, lines = await asyncio.to_thread(reader.read, since(at))
        except RemitError:
            yield b"event: unavailable\ndata: {}\n\n"
            continue
        if not open_still():
            return  # what was recorded since is not for somebody who was signed out meanwhile
        for each in lines:
            yield b"data: " + json.dumps(each).encode() + b"\n\n"
        quiet = 0 if lines else quiet + 1
        if quiet >= _HEARTBEAT:
            quiet = 0
            yield b": still here\n\n"
