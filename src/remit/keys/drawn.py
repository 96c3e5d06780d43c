"""Random bytes for salts and single-use numbers, drawn from the system many at a time.

Asking the system lets go of the interpreter, and another thread takes it: with several such calls in a decision, the
event loop waited for the writer as often. Not for keys, and not for what they are used with: a machine that is copied
while it runs would give both copies the same.
"""

from __future__ import annotations

import os
import threading
from typing import Final

_MOST: Final = 4096  # bytes that are drawn at once

_lock = threading.Lock()
_rest = b""


def drawn(size: int) -> bytes:
    """`size` random bytes (at most 4096) from the operating system, given out once. Any thread."""
    global _rest  # noqa: PLW0603 - one store for the process
    with _lock:
        if len(_rest) < size:
            _rest = os.urandom(_MOST)
        found, _rest = _rest[:size], _rest[size:]
    return found


def _forget() -> None:
    """In a copy of this process: what both have must be given out by neither twice."""
    global _lock, _rest  # the lock may have been held while the process was copied
    _lock, _rest = threading.Lock(), b""


os.register_at_fork(after_in_child=_forget)
