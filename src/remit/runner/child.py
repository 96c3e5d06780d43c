"""The command as a process: started, passed its signals, waited for."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from remit.kernel.errors import Malformed

_PASSED: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
# A terminal sends these to its whole foreground group, the command included: passed on, they would come twice.
_FROM_TERMINAL: Final = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
_KILLED: Final = 128


def program(command: str, environ: Mapping[str, str]) -> Path:
    """The file that `command` names, by the rules of the shell.

    Raises:
        Malformed: There is none, or it cannot be started.
    """
    found = shutil.which(command, path=environ.get("PATH", os.defpath))
    if found is None:
        raise Malformed(f"there is no command {command}", try_="remit run --agent NAME -- CMD")
    return Path(found)


def digest(file: Path) -> str | None:
    """Hex SHA-256 of a program; None if we may run it and not read it."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return None


class Child:
    """One running command. The process that starts it reaps it, and what it leaves behind, on SIGCHLD."""

    def __init__(self, *, interactive: bool) -> None:
        self._interactive = interactive
        self._process: subprocess.Popen[bytes] | None = None
        self._done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def start(self, file: Path, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start it, with our own standard streams.

        Raises:
            Malformed: The kernel does not take it for a program.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for number in _PASSED:
            loop.add_signal_handler(number, self._pass, number)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - to start it is what the command line asks for
                list(argv), executable=str(file), env=dict(environ)
            )
        except OSError as error:
            raise Malformed(f"{argv[0]} cannot be started", detail=error.strerror or str(error)) from error
        self._reap()  # it may be over before anybody could say so

    async def wait(self) -> int:
        """Its exit code; 128 and the signal's number if one killed it."""
        return await self._done

    def _pass(self, number: signal.Signals) -> None:
        if self._process is None or self._done.done() or (self._interactive and number in _FROM_TERMINAL):
            return
        os.kill(self._process.pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._process is not None and pid == self._process.pid and not self._done.done():
                code = os.waitstatus_to_exitcode(status)
                self._process.returncode = code
                self._done.set_result(code if code >= 0 else _KILLED - code)
