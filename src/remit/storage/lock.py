"""One server process per SQLite file, held by a lock on a file beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from remit.kernel.errors import Conflict


class FileLock:
    """Held from construction until `release`, or until the process ends, however it ends."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise Conflict(
                "another Remit server already uses this data directory",
                detail=f"{database} is held by process {holder or 'unknown'}",
                try_="stop that server, or give this one its own --data directory",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another server have the file. The lock file stays: removing it would let two servers in at once."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
