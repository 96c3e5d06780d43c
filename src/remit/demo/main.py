"""The door of the demo: `remit demo`."""

from __future__ import annotations

import contextlib

from remit.demo import stopping

_INTERRUPTED = 130


def run(*, once: bool, keep: bool = False) -> int:
    """Show the live demo, or with `once` tell its story headless; returns the exit code."""
    try:
        stopping.watch()
        if once:
            from remit.demo.story import tell  # noqa: PLC0415 - imported late, so that remit --help need not load it

            return tell()
        from remit.demo.live import run as live  # noqa: PLC0415 - imported late as well

        live(keep=keep)
    except stopping.Stopped:
        with contextlib.suppress(OSError):  # the terminal may be what went away
            print("\nStopped; nothing is left running.", flush=True)
        return _INTERRUPTED if once else 0
