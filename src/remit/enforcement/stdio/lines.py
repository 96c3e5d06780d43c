"""Messages of a command: one to a line (MCP 2025-11-25 and 2026-07-28, transports, stdio). Pure."""

from __future__ import annotations

from remit.kernel.errors import TooLarge


class Lines:
    """Turns chunks of bytes into lines, whatever their borders, without their ends; empty ones are left out.

    Args:
        limit: Bytes that one line may have.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes.

        Raises:
            TooLarge: One is over the limit, whether it has ended or not.
        """
        first, *others = chunk.split(b"\n")
        self._add(first)
        found: list[bytes] = []
        for part in others:
            found.append(b"".join(self._parts).rstrip(b"\r"))
            self._parts, self._size = [], 0
            self._add(part)
        return [line for line in found if line.strip()]

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise TooLarge("a line of the command is too long")
        if part:
            self._parts.append(part)
