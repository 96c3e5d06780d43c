"""Windows of complete record as text: a line of cells, and the gaps by name (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from remit.certification.usage.windows import Windows, windows
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, rfc3339

_WIDTH = 60
_MOST_GAPS = 10
_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"))


def timeline(spans: Sequence[tuple[int, int]]) -> list[str]:
    """Lines: from when to when, a cell for each equal part (`#` complete, `+` in part, `.` not), and the gaps."""
    found = windows(spans)
    if not found.spans:
        return ["nothing is known to be complete"]
    start, until = found.spans[0][0], found.spans[-1][1]
    lines = [f"{_short(start)}  {_cells(found, start, until)}  {_short(until)}"]
    missing = found.gaps(start, until).spans
    lines += [
        f"  gap    {_short(left)} to {_short(right)} ({lasting(right - left)})" for left, right in missing[:_MOST_GAPS]
    ]
    if len(missing) > _MOST_GAPS:
        lines.append(f"  and {len(missing) - _MOST_GAPS} more gaps")
    return lines


def _cells(found: Windows, start: int, until: int) -> str:
    edges = [start + (until - start) * cell // _WIDTH for cell in range(_WIDTH + 1)]
    return "".join(_cell(found, left, right) for left, right in pairwise(edges) if left < right)


def _cell(found: Windows, left: int, right: int) -> str:
    complete = found.measure(left, right)
    return "#" if complete == right - left else "+" if complete else "."


def lasting(micros: int) -> str:
    """How long, in the two largest units that say something."""
    parts: list[str] = []
    for size, unit in _UNITS:
        count, micros = divmod(micros, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "under a second"


def _short(at: int) -> str:
    return rfc3339(at)[:19] + "Z"
