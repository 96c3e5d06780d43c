"""What an import brings with it besides its lines, and what became of it (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from remit.access.activation import ActivationKey
from remit.certification.usage.days import UseDay
from remit.certification.usage.ingest import Line, Taken
from remit.certification.usage.model import HISTORY, Kind, RefusedLine, UsageEvent
from remit.certification.usage.windows import Span
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed
from remit.kernel.names import ActionName, AgentName, PurposeName


@dataclass(slots=True)
class Imported:
    """What became of an import."""

    source: str
    batch: int = 0  # the newest that was written; 0: nothing was new
    taken: int = 0
    duplicates: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    unattributed: Counter[tuple[str, str]] = field(default_factory=Counter)
    moved: set[ActivationKey] = field(default_factory=set)
    covered: bool = True  # whether the windows that came with it were taken

    def add(self, found: Taken) -> None:
        """Count one change in."""
        self.taken += len(found.rows)
        self.duplicates += found.duplicates
        self.refused += found.refused
        self.unknown += found.unknown
        self.unattributed += found.unattributed
        self.moved |= set(entitlements(found.days))


def refuse_history(lines: Iterable[Line | RefusedLine]) -> None:
    """Refuse an import that brings facts which a running Remit has itself.

    Raises:
        Malformed: It names the line.
    """
    for line in lines:
        if isinstance(line, Line) and line.event.kind in HISTORY:
            raise Malformed(
                f"line {line.line} is of kind {line.event.kind}: a history, and a running Remit has its facts itself",
                try_="remit certify simulate --history FILE, or leave such lines out",
            )


def claim(source: str, span: Span) -> Line:
    """That `source` told everything within `span`, as an event.

    Raises:
        Malformed: No window.
    """
    start, until = span
    if not 0 <= start < until:
        raise Malformed("a window begins before it ends")
    body = canonical({"from": start, "to": until}).decode("utf-8")
    # Its id follows from what it says, so that saying it twice is saying it once.
    return Line(0, UsageEvent(source, f"covers {start} {until}", Instant(until), Kind.COVERAGE, body=body))


def entitlements(days: Iterable[UseDay]) -> list[ActivationKey]:
    """What `days` are about, in order; where nobody knows the purpose, it is none."""
    found = {row.key[:4] for row in days if row.key.purpose}
    return [
        ActivationKey(AgentName(agent), PurposeName(purpose), ActionName(action), scope)
        for agent, purpose, action, scope in sorted(found)
    ]
