"""How often something was used, day by day, and the line that is drawn of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from remit.console.frame import micros
from remit.kernel.clock import DAY, Instant, rfc3339

DAYS: Final = 30
WIDTH, HEIGHT = 240, 36


def by_day(
    entries: Iterable[Mapping[str, Any]], actions: Collection[str], *, now: Instant, days: int = DAYS
) -> list[dict[str, Any]]:
    """Allowed and refused calls of these actions, a row for each of the last `days` days (UTC), the oldest first.

    Args:
        entries: Decisions as the API lists them, in any order.
        actions: Which; none means all.
        now: The last moment of the last day.
        days: How many, at least 1.
    """
    today = now // DAY
    found = {today - back: [0, 0] for back in range(days)}
    for each in entries:
        at = micros(each.get("time"))
        if at is None or (actions and each.get("action") not in actions) or at // DAY not in found:
            continue
        found[at // DAY][0 if each.get("answer") == "allow" else 1] += 1
    return [
        {"day": rfc3339(Instant(day * DAY))[:10], "uses": uses, "refused": refused}
        for day, (uses, refused) in sorted(found.items())
    ]


def line(values: Sequence[int]) -> str:
    """The points of a polyline in a box of `WIDTH` by `HEIGHT`, the newest value at the right; 0 is at the bottom."""
    most, step = max([*values, 1]), WIDTH / max(1, len(values) - 1)
    points = ((at * step, HEIGHT - 2 - (HEIGHT - 4) * value / most) for at, value in enumerate(values))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
