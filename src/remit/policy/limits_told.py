"""What bounds an agent's calls beside their arguments, and how much of it is used in this window (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from remit.access.conditions import Window
from remit.access.conditions_document import window_said
from remit.access.model import Boundary, Rule
from remit.kernel.clock import Instant, rfc3339, window_end
from remit.kernel.errors import Malformed
from remit.policy.constraints import plain
from remit.policy.limits import Limit, decimal_of, limits_of, window_of
from remit.policy.windows import is_open, opens

_WHOLE: Final = 1_000_000
Counter = tuple[str, Instant]
"""What names a counter: its key, and the start of the window that it counts."""
Used = Callable[[Counter], int]
"""What a counter holds: calls, bytes, or ten-thousandths of a budget's argument."""


def counted(boundaries: Iterable[Boundary], *, now: Instant) -> list[Counter]:
    """The counters that `told` asks for."""
    return [
        (limit.key, window_of(limit, now))
        for boundary in boundaries
        for rule in boundary.rules.values()
        for limit in limits_of(boundary, rule)
    ]


def told(boundaries: Iterable[Boundary], used: Used, *, now: Instant) -> list[dict[str, Any]]:
    """A row for each rate, budget and volume of the boundaries, and one for the hours of an action that has any.

    A rate is in calls, a volume in bytes, a budget (as text, exactly) in the unit of its argument. All rows have the
    same members; what does not apply to a kind is None.

    Args:
        boundaries: Those in force; one that has ended bounds nothing any more and is left out.
        used: What the counters of `counted` hold.
        now: The time whose windows are meant.
    """
    return [
        row
        for boundary in boundaries
        if now < boundary.not_after
        for rule in boundary.rules.values()
        for row in _rows(boundary, rule, used, now)
    ]


def _rows(boundary: Boundary, rule: Rule, used: Used, now: Instant) -> Iterator[dict[str, Any]]:
    place = {"boundary": boundary.boundary, "purpose": boundary.purpose, "action": rule.action}
    for limit in limits_of(boundary, rule):
        yield {**place, **_NOTHING, **_counted(limit, used((limit.key, window_of(limit, now))), now)}
    if rule.conditions is not None and (windows := rule.conditions.windows):
        yield {**place, **_NOTHING, **_hours(windows, now)}


def _counted(limit: Limit, used: int, now: Instant) -> dict[str, Any]:
    kind = "volume" if limit.volume else "rate" if limit.argument is None else "budget"
    what = {"volume": "bytes of results", "rate": "calls", "budget": f"sum of {limit.argument}"}[kind]
    return {
        "kind": kind, "what": f"{what} a {limit.per}", "argument": limit.argument, "per": limit.per,
        "max": _exactly(limit, limit.most), "used": _exactly(limit, used),
        "used_millionths": used * _WHOLE // limit.most if limit.most else _WHOLE,
        "resets": rfc3339(window_end(limit.per, now)),
    }  # fmt: skip


def _exactly(limit: Limit, units: int) -> int | str:
    return units if limit.argument is None else plain(decimal_of(units))


def _hours(windows: tuple[Window, ...], now: Instant) -> dict[str, Any]:
    said = [window_said(each) for each in windows]
    texts = [f"{', '.join(each['days'])} {each['from']}-{each['to']} {each['zone']}" for each in said]
    try:
        open_, at = is_open(windows, now), opens(windows, now)
    except Malformed:  # a zone that is there no more: a call that needs it is not decided
        open_, at = False, None
    return {
        "kind": "hours", "what": f"hours: {'; '.join(texts)}", "windows": said, "open": open_,
        "opens": None if at is None else rfc3339(at),
    }  # fmt: skip


_NOTHING: Final = dict.fromkeys(
    ("kind", "what", "argument", "per", "max", "used", "used_millionths", "resets", "windows", "open", "opens")
)
