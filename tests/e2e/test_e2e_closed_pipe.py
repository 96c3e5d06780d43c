"""`remit ... | head`: whoever stops reading changes nothing about what the command says with its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BAD = "\n".join(f'@id("p{n}")\npermit (principal, action, resource) when {{ false }};' for n in range(400))


def run(directory: Path, *arguments: str, closed: str = "stdout") -> subprocess.CompletedProcess[str]:
    """`remit` with a pipe for its output that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    try:
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | {closed: writes}
        if closed == "both":
            streams = {"stdout": writes, "stderr": writes}
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [sys.executable, "-m", "remit.cli.main", *arguments], cwd=directory, text=True, timeout=60, check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            **streams,  # type: ignore[call-overload] # each a stream's own argument
        )  # fmt: skip
        return done
    finally:
        os.close(writes)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "base.cedar").write_text(BAD, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("closed", ["stdout", "both"])
def test_the_exit_code_stays_what_it_means(tree: Path, more: tuple[str, ...], closed: str) -> None:
    done = run(tree, "policy", "lint", ".", *more, closed=closed)
    assert done.returncode == 3
    if closed == "stdout":
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("policy", "--help")])
def test_what_only_prints_succeeds(tree: Path, arguments: tuple[str, ...]) -> None:
    done = run(tree, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
