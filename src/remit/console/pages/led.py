"""Where a form leads once it is done, if not back to its page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """What was done, in one sentence, and the path of the page that shows what came of it."""

    said: str
    to: str


def led(done: str | Led, back: str) -> tuple[str, str]:
    """What is said, and where to go: `back` unless it leads elsewhere (pure)."""
    return (done.said, done.to) if isinstance(done, Led) else (done, back)
