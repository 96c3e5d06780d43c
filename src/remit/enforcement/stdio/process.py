"""One command as a process: its own group, its own folder, nothing inherited, and gone with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from remit.enforcement.denials import UNREACHABLE
from remit.enforcement.ports import Scanner
from remit.enforcement.stdio.lines import Lines
from remit.enforcement.stdio.model import ChildLimits, Recipe
from remit.enforcement.upstream import UpstreamFailed
from remit.logs import logger

log = logger(__name__)

_CHUNK: Final = 1 << 16
_MINUTE: Final = 60.0
_ROUNDS: Final = 50
_ROUND_SECONDS: Final = 0.01
_PROC: Final = Path("/proc")


class Process:
    """A running command. Belongs to the event loop."""

    def __init__(self, process: asyncio.subprocess.Process, recipe: Recipe, limits: ChildLimits) -> None:
        self._process = process
        self._recipe = recipe
        self._limits = limits
        self._home = b"HOME=" + os.fsencode(recipe.folder) + b"\0"
        self._writing = asyncio.Lock()
        self._errors: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, recipe: Recipe, limits: ChildLimits) -> Process:
        """Start it.

        Raises:
            UpstreamFailed: There is no such program, or it cannot be started.
        """
        try:
            program = await asyncio.to_thread(_prepared, recipe)
            process = await asyncio.create_subprocess_exec(
                program, *recipe.words[1:], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE, env=dict(recipe.environ), cwd=recipe.folder, start_new_session=True,
                limit=_CHUNK,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise UpstreamFailed(UNREACHABLE, sent=False, detail=f"{recipe.words[0]}: {error}"[:300]) from error
        return cls(process, recipe, limits)

    @property
    def pid(self) -> int:
        """Its number, which is its group's too."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.returncode is not None

    @property
    def code(self) -> str:
        """How it ended, for the operator."""
        code = self._process.returncode
        return "runs" if code is None else f"exit code {code}" if code >= 0 else f"signal {-code}"

    async def write(self, line: bytes) -> None:
        """Tell it one message.

        Raises:
            OSError: It has ended, or does not read.
        """
        stdin = self._process.stdin
        if stdin is None:
            raise BrokenPipeError
        async with asyncio.timeout(self._limits.unread):  # TimeoutError is an OSError
            async with self._writing:
                stdin.write(line + b"\n")
                await stdin.drain()

    async def lines(self, limit: int) -> AsyncIterator[bytes]:
        """What it says, line by line.

        Raises:
            TooLarge: A line is over `limit` bytes.
        """
        reader, found = self._process.stdout, Lines(limit)
        while reader is not None and (chunk := await reader.read(_CHUNK)):
            for line in found.feed(chunk):
                yield line

    def listen(self, *, server: str, agent: str, scanner: Scanner | None) -> None:
        """Log what it says on its standard error, but nothing that carries its secret."""
        self._errors = asyncio.get_running_loop().create_task(self._listened(server, agent, scanner))

    async def _listened(self, server: str, agent: str, scanner: Scanner | None) -> None:
        reader, clock = self._process.stderr, asyncio.get_running_loop().time
        since, said, rest = clock(), 0, b""
        while reader is not None and (chunk := await reader.read(_CHUNK)):
            if scanner is not None and scanner.feed(chunk):
                log.error("a command wrote its secret to its standard error; no more of that is shown", server=server)
                return await _drained(reader)
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[: self._limits.error_line]
            if clock() - since > _MINUTE:
                since, said = clock(), 0
            for line in lines[: max(0, self._limits.errors - said)]:
                text = line[: self._limits.error_line].decode("utf-8", "replace")
                log.info("a command says", server=server, agent=agent, text=text)
            said += len(lines)
        return None

    async def settled(self, seconds: float) -> None:
        """Wait for its end, if it is near.

        Raises:
            TimeoutError: It runs on.
        """
        async with asyncio.timeout(seconds):
            await self._process.wait()

    async def end(self) -> None:
        """End it and whatever it started: asked, then killed. Nothing of it runs when this returns."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._limits.grace):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._killed()
        # Nobody reads its pipes to their end; asyncio has no public way to close them.
        self._process._transport.close()  # type: ignore[attr-defined] # noqa: SLF001 - see above
        # Of what left its group, or outlived it: found by the home that nothing else has.
        await asyncio.to_thread(_kill_all, self._home)
        if self._errors is not None:
            self._errors.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._errors

    async def _killed(self) -> None:
        try:
            async with asyncio.timeout(self._limits.grace):
                await self._process.wait()
        except TimeoutError:
            # It became another user, or hangs in the kernel.
            log.warning("a command could not be ended", pid=self._process.pid, program=self._recipe.words[0])

    def _signal(self, number: signal.Signals) -> None:
        # The group's number is its leader's: once that is reaped it may be another's.
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


async def _drained(reader: asyncio.StreamReader) -> None:
    while await reader.read(_CHUNK):
        pass


def _prepared(recipe: Recipe) -> str:
    """Its folder made, and the file of its program."""
    recipe.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    recipe.folder.chmod(0o700)
    program = shutil.which(recipe.words[0], path=recipe.environ.get("PATH", ""))
    if program is None:
        raise FileNotFoundError("there is no such program on its PATH")
    return program


def _kill_all(home: bytes, kill: Callable[[int, int], None] = os.kill) -> None:
    """Kill every process of ours whose environment names this home, until there is none (one may fork meanwhile)."""
    for _ in range(_ROUNDS):
        found = [pid for pid in _pids() if home in _environ(pid)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(_ROUND_SECONDS)


def _pids() -> list[int]:
    try:
        return [int(each.name) for each in _PROC.iterdir() if each.name.isdigit()]
    except OSError:
        return []


def _environ(pid: int) -> bytes:
    """What a process was started with; nothing of one that has ended (a zombie too) or is another user's."""
    try:
        return b"\0" + (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return b""
