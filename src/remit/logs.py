"""Loggers, by name. What a line is written as is the server's to say (`server/logs.py`).

A server's log is JSON lines. structlog would load rich, to draw tracebacks in colour that nobody looks at: a twelfth of
a server's start.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _without(name: str) -> Iterator[None]:
    """A module that cannot be imported within, unless it is there already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment] # Python's own way to say that there is none
    try:
        yield
    finally:
        del sys.modules[name]


with _without("rich"):
    import structlog

logger = structlog.get_logger

__all__ = ["logger", "structlog"]
