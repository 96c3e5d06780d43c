"""A real PKCS#11 token in software (SoftHSM), for tests of what a hardware module would do.

It comes from Debian once, without being installed, and is kept; where it cannot be had the test is skipped and says so.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

PACKAGES: Final = ("softhsm2", "libsofthsm2")
# Read when tests are collected: while one runs, the variable names a folder of the test's own.
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remit-peers"
_PATIENCE: Final = 60


@dataclass(frozen=True)
class SoftHsm:
    """Tokens in a folder of their own; a process finds them by `environ`."""

    module: Path  # the PKCS#11 library
    program: Path  # softhsm2-util
    configuration: Path

    @property
    def environ(self) -> dict[str, str]:
        """What a process that loads the module needs in its environment."""
        return {"SOFTHSM2_CONF": str(self.configuration)}

    def token(self, label: str, *, pin: str) -> None:
        """Make a token, with nothing on it."""
        command = [self.program, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "so-" + pin]
        command += ["--module", self.module]
        environ = {**os.environ, **self.environ}
        subprocess.run(command, env=environ, check=True, capture_output=True, timeout=_PATIENCE)


def softhsm(folder: Path) -> SoftHsm:
    """SoftHSM with its tokens in `folder`."""
    program, module = _programs()
    tokens = folder / "tokens"
    tokens.mkdir(mode=0o700, parents=True)
    configuration = folder / "softhsm2.conf"
    said = f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    configuration.write_text(said, encoding="utf-8")
    return SoftHsm(module, program, configuration)


def _programs() -> tuple[Path, Path]:
    """`softhsm2-util` and the library: the system's, else those that are kept."""
    return _in(Path("/")) or _in(_kept()) or pytest.skip("there is no SoftHSM here: PKCS#11 was NOT tested")


def _in(root: Path) -> tuple[Path, Path] | None:
    program = root / "usr" / "bin" / "softhsm2-util"
    module = next(iter(sorted((root / "usr" / "lib").glob("*/softhsm/libsofthsm2.so"))), None)
    return (program, module) if module is not None and program.exists() else None


def _kept() -> Path:
    """Where Debian's packages are unpacked, once."""
    place = CACHE / "softhsm"
    place.mkdir(parents=True, exist_ok=True)
    root, done = place / "root", place / "done"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want it at once
        if not done.exists():
            if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
                pytest.skip("this is no Debian, and has no SoftHSM: PKCS#11 was NOT tested")
            _run("apt-get", "download", "-qq", *PACKAGES, at=place)
            for package in place.glob("*.deb"):
                _run("dpkg-deb", "--extract", str(package), str(root), at=place)
            done.touch()
    return root


def _run(*command: str, at: Path) -> None:
    made = subprocess.run(command, cwd=at, capture_output=True, text=True, timeout=300, check=False)
    if made.returncode != 0:
        pytest.skip(f"Debian is missing: PKCS#11 was NOT tested: {made.stderr[-300:]}")
