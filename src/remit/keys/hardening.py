"""A process that has opened keys shows its memory to nobody: no core file, no debugger, no pages on a disk.

- `PR_SET_DUMPABLE` 0 (prctl(2)): no core is made, and another process of the same user may neither attach nor read
  `/proc/PID/mem`, `environ`, `maps` or `fd`. Root with CAP_SYS_PTRACE still may; nothing keeps root out.
- `RLIMIT_CORE` 0, also for the processes that are started: what they get in their environment is a secret too.
- `mlockall` (mlock(2)), as pages are first used and not all at once, only where there is no limit on locked memory:
  under a limit, a later allocation would fail instead of a swapped page. A dump to a hibernation file is no matter
  of it, and copies that Python makes of bytes and text cannot be wiped.

A child that executes another program is dumpable again, and locks nothing.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """How this process stands now, as the kernel says."""

    dumpable: bool  # others of the same user may read its memory
    core: bool  # a crash may leave a core file
    locked: bool  # its pages stay out of swap
    known: bool = True  # False: not Linux, which alone is asked


def harden() -> None:
    """Do what can be done, for good. Never fails: a process that cannot be hardened still serves, and says so."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
            libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)


def standing() -> Standing:
    """How this process stands."""
    core = resource.getrlimit(resource.RLIMIT_CORE)[0] != 0
    if sys.platform != "linux":
        return Standing(dumpable=True, core=core, locked=False, known=False)
    dumpable = ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 1
    return Standing(dumpable=dumpable, core=core and dumpable, locked=_locked())


def _locked() -> bool:
    """proc(5): VmLck, in KiB."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    _, _, after = text.partition("VmLck:")
    return bool(after) and after.split()[0] != "0"
