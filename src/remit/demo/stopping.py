"""Ctrl-C, SIGTERM and a closed terminal all end a demo the same way: in order."""

from __future__ import annotations

import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A person or the system asks the demo to end. No failure, so no `except Exception` takes it for one."""


def watch() -> None:
    """From now on the first of these signals raises `Stopped` in the main thread; later ones do nothing."""
    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means what it says
            signal.signal(number, _stop)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not break off the stopping
    raise Stopped
