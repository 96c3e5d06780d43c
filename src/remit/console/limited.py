"""What bounds an agent's calls, and how much of it is used in this window. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from remit.access.conditions import Window
from remit.access.model import Boundary
from remit.kernel.clock import Instant, rfc3339, window_end
from remit.policy.limits import SCALE, Limit, limits_of, window_of
from remit.policy.view import Counters

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def limits(boundary: Boundary, counters: Counters, now: Instant) -> Iterator[dict[str, Any]]:
    """One row for each rate, budget and volume of a boundary, and one for its hours.

    `used` is None where this node has counted nothing in this window, which may be because another one did.
    """
    for rule in boundary.rules.values():
        for limit in limits_of(boundary, rule):
            used = counters.used(limit.key, window_of(limit, now))
            most = limit.most / SCALE if limit.argument is not None else limit.most
            shown = None if used is None else used / SCALE if limit.argument is not None else used
            yield {
                "boundary": boundary.boundary, "action": rule.action, "what": _what(limit), "most": most,
                "used": shown, "share": None if shown is None or not most else 100 * shown / most,
                "until": rfc3339(window_end(limit.per, now)), "hours": "",
            }  # fmt: skip
        if rule.conditions is not None and rule.conditions.windows:
            hours = "; ".join(_hours(each) for each in rule.conditions.windows)
            yield {"boundary": boundary.boundary, "action": rule.action, "what": "hours", "hours": hours}


def _what(limit: Limit) -> str:
    if limit.volume:
        return f"bytes of results a {limit.per}"
    return f"calls a {limit.per}" if limit.argument is None else f"sum of {limit.argument} a {limit.per}"


def _hours(window: Window) -> str:
    days = ", ".join(_DAYS[day] for day in window.days)
    return f"{days} {_clock(window.start)}-{_clock(window.end)} {window.zone}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
