"""A server that has opened keys leaves no core file, and shows its memory and environment to nobody of its user."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.e2e.running import PATIENCE, REMIT, Home

# Root reads everything by its capabilities, and nobody reads one who has more of them: without, it is a user as others.
AS_A_USER = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
LOOK = """
import sys
for name in ("mem", "environ", "maps"):
    try:
        with open(f"/proc/{sys.argv[1]}/{name}", "rb") as file:
            if name == "mem":
                file.seek(int(sys.argv[2], 16))
            print(name, "read" if file.read(16) else "empty")
    except OSError as error:
        print(name, type(error).__name__)
"""
CANARY = "c4nary-of-the-test"


@contextmanager
def crashing(home: Home, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A server that could leave a core file of any size in the home, as far as limits go."""
    command = [*AS_A_USER, "prlimit", "--core=unlimited", REMIT, "up", "--listen", "127.0.0.1:0", "--json", *words]
    environ = home.environ | {"VAULT_TOKEN": CANARY}
    with (home.path / "err").open("w") as said:
        process = subprocess.Popen(command, env=environ, cwd=home.path, stdout=subprocess.PIPE, stderr=said, text=True)
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["api"]
            yield process
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)


def looked(pid: int) -> dict[str, str]:
    """What a process of the same user, with no capability, reads of another."""
    address = "0"
    with suppress(PermissionError):  # root sees where there is something to read
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="ascii").splitlines()
        address = next(line.split("-", 1)[0] for line in lines if "[stack]" in line)
    done = subprocess.run(
        [*AS_A_USER, sys.executable, "-c", LOOK, str(pid), address], capture_output=True, text=True, check=True
    )
    return dict(line.split() for line in done.stdout.splitlines())


def cores(home: Home) -> list[Path]:
    return [path for path in home.path.glob("*core*") if path.is_file()]


def can_dump() -> bool:
    """Whether this machine writes core files to where a process is, and of any size."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()
    return pattern.startswith("core") and resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_a_crash_leaves_no_core(home: Home, number: signal.Signals) -> None:
    if not can_dump():
        pytest.skip("no core file is ever written here: that none is left was NOT tested")
    with crashing(home) as server:
        server.send_signal(number)
        assert server.wait(PATIENCE) == -number
        assert cores(home) == []


def test_where_it_is_asked_for_a_crash_leaves_one(home: Home) -> None:
    """Else the test above would see nothing."""
    if not can_dump():
        pytest.skip("no core file is ever written here: that one is left was NOT tested")
    with crashing(home, "--unsafe-dumpable") as server:
        server.send_signal(signal.SIGABRT)
        assert server.wait(PATIENCE) == -signal.SIGABRT
        (core,) = cores(home)
        core.unlink()


def test_nobody_of_its_user_reads_its_memory_or_environment(home: Home) -> None:
    with crashing(home) as server:
        found = looked(server.pid)
        assert found == dict.fromkeys(("mem", "environ", "maps"), "PermissionError")
        # What operators and benchmarks read of a process is there as before.
        for name in ("stat", "statm", "status", "cmdline"):
            assert Path(f"/proc/{server.pid}/{name}").read_bytes()
        limits = Path(f"/proc/{server.pid}/limits").read_text(encoding="ascii")  # those it starts have them too
        (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["0", "0"]
        doctor = home.remit("doctor", "--json").json["checks"]
        (held,) = [check for check in doctor if check["check"] == "environment"]
        assert (held["status"], held["detail"]) == ("warn", "holds VAULT_TOKEN")
        assert CANARY not in str(doctor)
        (memory,) = [check for check in doctor if check["check"] == "memory"]
        assert (memory["status"], memory["detail"].partition(";")[0]) == ("ok", "no core file, no debugger")


def test_where_it_is_asked_for_they_do_and_it_says_so(home: Home) -> None:
    with crashing(home, "--unsafe-dumpable") as server:
        assert looked(server.pid) == dict.fromkeys(("mem", "environ", "maps"), "read")
        doctor = home.remit("doctor", "--json").json["checks"]
        (memory,) = [check for check in doctor if check["check"] == "memory"]
        assert (memory["status"], "--unsafe-dumpable" in memory["try"]) == ("warn", True)


def test_it_says_so_at_the_start(home: Home) -> None:
    command = [REMIT, "up", "--listen", "127.0.0.1:0", "--unsafe-dumpable"]
    process = subprocess.Popen(command, env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        assert any("debuggers and core files see every secret" in line for line in process.stdout)
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
