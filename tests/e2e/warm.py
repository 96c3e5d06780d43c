"""Runs `remit` commands in processes of their own that need not load Python and Remit again: most of what one takes.

A process that has loaded the command line forks for each command, which has its own environment, folder, input and
output, and ends as the installed `remit` does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NoReturn, TextIO

_REQUEST = 1 << 20
LATER = (
    "remit.server.run", "remit.server.compose_api", "remit.server.compose_governance", "rich.console", "rich.table",
    "psycopg", "sqlalchemy.dialects.postgresql.psycopg", "encodings.idna", "h11",
)  # fmt: skip


class Warm:
    """A command that runs, as far as `subprocess.Popen` is asked of one. Its errors are read at its end."""

    def __init__(
        self, words: Sequence[str], env: Mapping[str, str], stdin: str | None = None, errors: TextIO | None = None
    ) -> None:
        """`errors` is an open file for what it says on standard error, if that is not to be read here."""
        self.returncode: int | None = None
        self._told: tuple[str, str] | None = None
        self._in, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed at its end
        to = (errors or self._err).fileno()
        self._in.write((stdin or "").encode())
        self._in.seek(0)
        read, write = os.pipe()
        self.stdout = os.fdopen(read, encoding="utf-8")
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(_started())
        asked = {"words": list(words), "env": dict(env), "cwd": str(Path.cwd())}
        socket.send_fds(self._line, [json.dumps(asked).encode()], [self._in.fileno(), write, to])
        os.close(write)
        self._line.shutdown(socket.SHUT_WR)
        self._said = self._line.makefile("rb")
        self.pid = int(self._said.readline())

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; its exit code. Raises TimeoutError."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise TimeoutError("the command did not end in time")
            self.returncode = int(self._said.readline())
            self._said.close()
            self._line.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; its output and its errors. Raises TimeoutError."""
        if self._told is not None:
            return self._told
        with ThreadPoolExecutor(1) as reader:
            out = reader.submit(self.stdout.read)
            try:
                self.wait(timeout)
            except TimeoutError:
                self.kill()
                raise
        self._err.seek(0)
        with self.stdout, self._in, self._err:
            self._told = out.result(), self._err.read().decode()
        return self._told

    def send_signal(self, number: int) -> None:
        """As `os.kill`, while it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


@cache
def _started() -> str:
    """The socket of this test run's own process, started with the first command."""
    folder = tempfile.mkdtemp(prefix="remit-warm-")
    path = str(Path(folder) / "s")
    process = subprocess.Popen([sys.executable, __file__, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    def end() -> None:
        process.communicate()  # its standard input ends, and so does it
        with contextlib.suppress(OSError):
            Path(path).unlink()
            Path(folder).rmdir()

    atexit.register(end)
    return path


def _serve(path: str) -> None:
    _load()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        _until_the_end(listener)


def _load() -> None:
    """What a command loads, and what a server loads once it is ready, with every start anew."""
    import remit.cli as commands  # noqa: PLC0415 - in this process alone
    from remit.cli.main import run as remit  # noqa: PLC0415 - likewise
    from remit.enforcement import era  # noqa: PLC0415 - likewise
    from remit.outbound import session  # noqa: PLC0415 - likewise

    for each in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"remit.cli.{each.name}")
    for name in LATER:
        importlib.import_module(name)
    session.load()
    era.warm()
    with contextlib.redirect_stdout(io.StringIO()):
        remit(["--version"])  # what reads the command line loads half of itself with the first
    gc.freeze()  # no command looks through what they share


def _until_the_end(listener: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    while True:
        ready, _, _ = select.select([listener.fileno(), 0], [], [])
        if 0 in ready:
            return
        line, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _answer(line)
            os._exit(0)
        line.close()


def _answer(line: socket.socket) -> None:
    """Run one command, and say how it ended."""
    text, fds, _, _ = socket.recv_fds(line, _REQUEST, 3)
    while more := line.recv(_REQUEST):
        text += more
    command = os.fork()
    if command == 0:
        line.close()
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
            os.close(fd)
        _command(**json.loads(text))
    for fd in fds:
        os.close(fd)
    line.sendall(b"%d\n" % command)
    _, status = os.waitpid(command, 0)
    line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _command(words: Sequence[str], env: Mapping[str, str], cwd: str) -> NoReturn:
    from remit.cli.main import run as remit  # noqa: PLC0415 - in this process alone

    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    code = 1
    try:
        code = remit(list(words))
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
