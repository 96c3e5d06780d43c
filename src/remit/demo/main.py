"""The door of the demo: `remit demo`."""

from __future__ import annotations


def run(*, once: bool) -> int:
    """Show the live demo, or with `once` tell its story headless; returns the exit code."""
    if once:
        from remit.demo.story import tell  # noqa: PLC0415 - imported late, so that remit --help does not pay for it

        return tell()
    from remit.demo.live import run as live  # noqa: PLC0415 - imported late as well

    return live()
