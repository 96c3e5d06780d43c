"""Every verdict of a log derived again, one after the other, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from remit.access.parameters import SHIPPED, Parameters
from remit.audit.source import Stretch
from remit.audit.stored import header
from remit.certification.replaying.kept import Kept
from remit.certification.replaying.rederive import rederive
from remit.certification.replaying.replay import BY_HAND, DIFFERS, NOT_REPLAYABLE, OTHER_ENGINE, SAME, Replayed
from remit.kernel.errors import Malformed

_MARK: Final = b'"kind":"verdict"'
WELL: Final = frozenset({SAME, BY_HAND, NOT_REPLAYABLE, OTHER_ENGINE})  # the last is counted, and said to be unproved
_UNREADABLE: Final = (KeyError, ValueError, TypeError, AttributeError, Malformed)


class Line(NamedTuple):
    """One verdict and what its replay came to."""

    at: int  # its position in the log
    id: str
    agent: str
    action: str
    outcome: str
    cause: str
    detail: str

    @property
    def well(self) -> bool:
        """Whether nothing speaks against it; nor does it for what other rules made, which is not derived."""
        return self.outcome in WELL


def lines(stretches: Iterable[Stretch], kept: Kept, parameters: Parameters = SHIPPED) -> Iterator[Line | None]:
    """What each verdict among these entries comes to; None for each stretch that was read, so that progress shows."""
    for stretch in stretches:
        for at, raw in enumerate(stretch.headers, stretch.first):
            if _MARK in raw and (line := _line(at, raw, kept, parameters)) is not None:
                yield line
        if len(stretch.headers) < stretch.count:
            at = stretch.first + len(stretch.headers)
            yield Line(at, "", "", "", DIFFERS, "log", stretch.problem or "entries are missing")
        yield None


def _line(at: int, raw: bytes, kept: Kept, parameters: Parameters) -> Line | None:
    said: dict[str, Any] = {}
    try:
        said = header(raw)
        if said["kind"] != "verdict":
            return None
        found = rederive(said, kept, parameters)
    except _UNREADABLE as error:
        found = Replayed(DIFFERS, raw, b"", "log", f"the entry cannot be read: {type(error).__name__}")
    id_, agent, action = (str(said.get(name, "")) for name in ("id", "agent", "action"))
    return Line(at, id_, agent, action, found.outcome, found.cause, found.detail)


@dataclass(slots=True)
class Summary:
    """How many came to what, and those that did not come out the same."""

    counts: Counter[str] = field(default_factory=Counter)
    odd: list[Line] = field(default_factory=list)

    def take(self, line: Line) -> None:
        """Count one."""
        self.counts[line.outcome] += 1
        if not line.well:
            self.odd.append(line)

    def body(self) -> dict[str, Any]:
        """As it is answered."""
        return {
            "verdicts": self.counts.total(),
            "counts": dict(sorted(self.counts.items())),
            "differs": [
                {"index": line.at, **{name: value for name, value in line._asdict().items() if name != "at"}}
                for line in self.odd
            ],
        }
