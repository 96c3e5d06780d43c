"""What a command is started from, how many there may be, and how soon one that ended is started again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

IMPORT: Final = ""  # in an agent's place: started for Remit's own look at its tools
_LONGEST_PAUSE: Final = 60.0
_LATEST_DOUBLING: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """How many commands run at once, and for how long. Times in seconds."""

    most: int = 64
    most_of_agent: int = 8
    idle: float = 900.0  # without a call
    import_idle: float = 2.0  # of one that was started for its tools alone
    settled: float = 60.0  # one that ran for so long did not fail to start
    grace: float = 2.0  # between the request to end and the end
    greeting: float = 10.0  # until it answers what Remit asks for itself, with its start
    remembered: float = 600.0  # for how long one that does not speak the modern era is not asked again
    silent: float = 60.0  # the same of one that did not say
    sessions: int = 256  # of one command; the oldest is forgotten
    unread: float = 10.0  # until it reads what it is told
    garbage: int = 20  # lines in a row that are no messages
    waiting: int = 8 << 20  # bytes for one call that its agent has not read yet; further notifications are dropped
    errors: int = 200  # lines a minute of its standard error that are logged
    error_line: int = 500  # characters of one


class Key(NamedTuple):
    """Whose process it is. One process speaks one era of MCP: its first message decides which.

    `instance`: the one running copy that it is for, where its credential is one copy's; else empty.
    """

    agent: str
    server: str
    modern: bool
    instance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a process is started from. Nothing else reaches it."""

    words: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)  # the secret stands in it
    folder: Path  # its home and working directory, its own alone


def pause(ended: int) -> float:
    """Seconds to wait before a command is started again that ended by itself `ended` times, each time too soon.

    Once is an accident. From then on it doubles, up to a minute.
    """
    if ended <= 1:
        return 0.0
    return min(_LONGEST_PAUSE, float(2 ** min(ended - 2, _LATEST_DOUBLING)))
