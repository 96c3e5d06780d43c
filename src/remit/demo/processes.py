"""The demo's processes: started by it, watched by it, stopped by it, whatever happens."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Linux: a killed demo leaves nothing running."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Worker:
    """A process that takes JSON lines on stdin and says JSON lines on stdout."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self._name = name
        self.process = process
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def tell(self, **step: Any) -> None:  # noqa: ANN401 - one JSON object
        """Give it one step of work."""
        if self.process.stdin is None:
            raise RuntimeError("the worker has no stdin")
        self.process.stdin.write(json.dumps(step) + "\n")
        self.process.stdin.flush()

    def hear(self, *, seconds: float = 30) -> dict[str, Any]:
        """The next line it says.

        Raises:
            RuntimeError: It said nothing in time, or ended.
        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            line = None
        if line is None:
            raise RuntimeError(f"{self._name} said nothing (exit code {self.process.poll()})")
        return line


class Processes:
    """All child processes of one demo; leaving the `with` block stops them in reverse order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[subprocess.Popen[str]] = []
        self._files: list[IO[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], *, environ: dict[str, str], talk: bool = False) -> Any:  # noqa: ANN401 - Popen or Worker
        """Start `command`; its stderr goes to a log file. With `talk`, return a `Worker`."""
        log = (self._logs / f"{name}.log").open("w", encoding="utf-8")
        self._files.append(log)
        process = subprocess.Popen(  # noqa: S603 - our own programs
            command,
            env=environ,
            text=True,
            stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talk else log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches only the demo, which then stops these in order
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - nothing has started a thread that holds a lock here
        )
        self._running.append(process)
        return Worker(name, process) if talk else process

    def end(self, process: subprocess.Popen[str], *, seconds: float = 10) -> int:
        """Ask one process to stop and wait for it; returns its exit code."""
        if process.poll() is None:
            process.terminate()
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process in self._running:
            self._running.remove(process)
        return code

    def stop(self) -> None:
        """Stop everything that still runs."""
        for process in reversed(list(self._running)):
            self.end(process)
        for file in self._files:
            file.close()
        self._files.clear()


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def until(seen: Callable[[], bool], *, seconds: float = 10) -> bool:
    """Wait until `seen()` is true; False if it was not in time."""
    end = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def clean_environ(home: Path) -> dict[str, str]:
    """This environment with every Remit file below `home`, so that a demo touches nothing of yours."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("REMIT_", "XDG_"))}
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        environ[variable] = str(home / variable[4:].lower())
    environ["NO_COLOR"] = "1"
    environ["COLUMNS"] = "120"
    return environ
