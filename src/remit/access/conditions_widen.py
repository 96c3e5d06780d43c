"""Do new conditions let through what the old ones do not; and what is left where both must hold. Pure.

As in `widen`, what cannot be compared (another zone, another unit, another correlation) widens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from remit.access.conditions import Conditions, Step, Volume, Window

_NONE = Conditions()
N = TypeVar("N", bound=int)


def conditions_widen(before: Conditions | None, after: Conditions | None) -> Iterator[str]:
    """Why `after` lets through what `before` does not, one line a reason."""
    if before is None:
        return
    old, new = before, after or _NONE
    if old.windows and not _covered(old.windows, new.windows):
        yield "the time windows are wider, in another zone or removed"
    if not _volume_within(old.volume, new.volume):
        yield "the data volume is raised, counted otherwise or removed"
    if _more(old.max_depth, new.max_depth):
        yield "it may be handed on further"
    for step in old.requires_before:
        if not any(_as_strict(step, each) for each in new.requires_before):
            yield f"it no longer needs {step.action} before it, or not so strictly"
    for action in old.forbidden_after:
        if action not in new.forbidden_after:
            yield f"it is no longer forbidden after {action}"
    if _more(old.per_run, new.per_run):
        yield "more calls in one run"


def both(one: Conditions | None, other: Conditions | None) -> Conditions | None:
    """The conditions where both sets must hold; for rights that are handed on."""
    if one is None or other is None:
        return other if one is None else one
    return Conditions(
        windows=_meet(one.windows, other.windows),
        volume=_smaller(one.volume, other.volume),
        max_depth=_least(one.max_depth, other.max_depth),
        requires_before=tuple(dict.fromkeys((*one.requires_before, *other.requires_before))),
        forbidden_after=tuple(sorted({*one.forbidden_after, *other.forbidden_after})),
        per_run=_least(one.per_run, other.per_run),
    )


def possible(one: Conditions | None, other: Conditions | None, met: Conditions | None) -> bool:
    """Whether anything passes `met`, made of the two: no common time, or none that can be told, is never."""
    timed = (one is not None and one.windows) or (other is not None and other.windows)
    return not timed or (met is not None and bool(met.windows))


def _covered(old: tuple[Window, ...], new: tuple[Window, ...]) -> bool:
    """Whether every minute of `new` is one of `old`. No windows at all are any time."""
    return bool(new) and all(
        _in_union(window.start, window.end, [each for each in old if each.zone == window.zone and day in each.days])
        for window in new
        for day in window.days
    )


def _in_union(start: int, end: int, windows: Iterable[Window]) -> bool:
    at = start
    for window in sorted(windows, key=lambda each: each.start):
        if window.start <= at < window.end:
            at = window.end
    return at >= end


def _volume_within(old: Volume | None, new: Volume | None) -> bool:
    return old is None or (new is not None and new.per == old.per and new.bytes <= old.bytes)


def _more(old: int | None, new: int | None) -> bool:
    return old is not None and (new is None or new > old)


def _as_strict(old: Step, new: Step) -> bool:
    """Whether whoever satisfies `new` has satisfied `old`.

    Another set of arguments is looked up by itself: that an earlier call agreed in more of them says
    that it agreed in these.
    """
    in_time = old.within is None or (new.within is not None and new.within <= old.within)
    return old.action == new.action and set(old.same) <= set(new.same) and in_time


def _meet(one: tuple[Window, ...], other: tuple[Window, ...]) -> tuple[Window, ...]:
    if not one or not other:
        return one or other
    pairs = ((a, b) for a in one for b in other if a.zone == b.zone)
    found = (
        Window(
            days=tuple(sorted({*a.days} & {*b.days})), start=max(a.start, b.start), end=min(a.end, b.end), zone=a.zone
        )
        for a, b in pairs
    )
    return tuple(window for window in found if window.days and window.start < window.end)


def _smaller(one: Volume | None, other: Volume | None) -> Volume | None:
    """Of one unit the smaller one; of two, that of the boundary: the other was refused when it was handed on."""
    if one is None or other is None or one.per != other.per:
        return other if one is None else one
    return min(one, other, key=lambda each: each.bytes)


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)
