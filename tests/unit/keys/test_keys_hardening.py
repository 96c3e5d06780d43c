"""What a process does about its own memory: seen in a process of its own, as it is for good."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone is asked")
RUN = """
import resource, sys
from remit.keys import hardening
limit = resource.RLIM_INFINITY if sys.argv[1] == "free" else 8 << 20
resource.getrlimit = lambda which, real=resource.getrlimit: (
    (limit, limit) if which == resource.RLIMIT_MEMLOCK else real(which)
)
before = hardening.standing()
hardening.harden()
after = hardening.standing()
kept = bytearray(64 << 20)  # under a limit that counted, there would be no memory for it
print(before.dumpable, after.dumpable, after.core, after.locked, len(kept))
"""


def run(limit: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", RUN, limit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_under_a_limit_nothing_is_locked_and_memory_can_be_had() -> None:
    assert run("bound") == ["True", "False", "False", "False", str(64 << 20)]


def test_without_a_limit_its_pages_stay_out_of_swap() -> None:
    found = run("free")
    if found[3] == "False":
        pytest.skip("this user may lock no memory: that it is locked was NOT tested")
    assert found == ["True", "False", "False", "True", str(64 << 20)]
