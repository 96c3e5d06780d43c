"""The connection to the server's local socket, held for as long as the run lasts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from remit.runner.model import Unreachable

_LINE: Final = 1 << 20
_SECONDS: Final = 10.0
_NAME: Final = "remit.sock"


class Session:
    """Asks one question at a time. A broken connection is made anew: the server may have been started again."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._one = asyncio.Lock()

    async def ask(self, question: Mapping[str, object]) -> Mapping[str, Any]:
        """The server's answer.

        Raises:
            Unreachable: There is none.
        """
        line = json.dumps(question, separators=(",", ":")).encode("utf-8") + b"\n"
        async with self._one:
            try:
                async with asyncio.timeout(_SECONDS):
                    return await self._answer(line)
            except (OSError, ValueError) as error:  # TimeoutError is an OSError
                self.close()
                raise Unreachable(
                    "no Remit answers on its local socket",
                    detail=f"{self._data / _NAME}: {getattr(error, 'strerror', None) or error or 'no answer'}",
                    try_="remit up, on this machine and as this user",
                ) from error

    async def _answer(self, line: bytes) -> Mapping[str, Any]:
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await _connect(self._data)
        reader, writer = self._streams
        writer.write(line)
        await writer.drain()
        answer = json.loads(await reader.readline() or b"null")
        if not isinstance(answer, dict):
            raise ConnectionResetError(None, "the connection was closed")
        return answer

    async def end(self) -> None:
        """End it, and with it the run; returns when the server has recorded that, or is not there to do so."""
        if self._streams is None:
            return
        reader, writer = self._streams
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(_SECONDS):
                writer.write_eof()
                await reader.read()
        self.close()

    def close(self) -> None:
        """Break the connection; the server ends the run when it sees that."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _connect(data: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # Through the open folder: the path of a unix socket may have 107 bytes, and a data directory's may be longer.
    folder = os.open(data, os.O_PATH | os.O_DIRECTORY)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{_NAME}", limit=_LINE)
    finally:
        os.close(folder)
