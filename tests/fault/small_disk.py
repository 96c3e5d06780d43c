"""A disk that can be filled and emptied: a tmpfs in a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 16


@dataclass(frozen=True)
class SmallDisk:
    """A process holds the namespace; `path` is the disk as processes inside see it."""

    holder: int
    path: Path

    @property
    def outside(self) -> Path:
        """The same folder, seen from here."""
        return Path(f"/proc/{self.holder}/root{self.path}")

    @property
    def inside(self) -> tuple[str, ...]:
        """The command that runs another one inside."""
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        return ("nsenter", f"--target={self.holder}", "--mount", *user, "--")

    def fill(self) -> None:
        """Leave not one free block."""
        with (self.outside / "filler").open("ab", buffering=0) as file:
            for size in (_CHUNK, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def empty(self) -> None:
        """Make room again."""
        (self.outside / "filler").unlink()


@contextmanager
def small_disk(path: Path, *, mebibytes: int) -> Iterator[SmallDisk | str]:
    """A new disk on the empty folder `path`, or why there can be none."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    script = f'mount -t tmpfs -o size={mebibytes}m,mode=0700 tmpfs "$0" && echo mounted && exec cat'
    with subprocess.Popen(
        ["unshare", *user, "--mount", "--propagation=private", "sh", "-c", script, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "mounted\n":
            yield holder.stderr.read().strip() or "no mount namespace"
            return
        try:
            yield SmallDisk(holder.pid, path)
        finally:
            holder.stdin.close()
