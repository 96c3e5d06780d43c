"""What `remit run` asks of the kernel for itself (Linux)."""

from __future__ import annotations

import ctypes
from typing import Final

_SET_DUMPABLE: Final = 4
_SET_CHILD_SUBREAPER: Final = 36


def close_up() -> None:
    """Keep the run's key and tokens to this process, and its orphans in its tree.

    Not dumpable: no process of the same user may read this one's memory or attach to it (ptrace(2)), and it leaves
    no core. A subreaper: what the command leaves behind becomes our child, so that it is still found below us.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
