"""Conditions as a boundary's document says them, read and written. One form serves people, the database and the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from remit.access.conditions import DAY_NAMES, MINUTES, Conditions, Step, Volume, Window
from remit.access.zones import zone
from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Micros
from remit.kernel.errors import Malformed
from remit.kernel.names import ActionName, check_name, split_action, well_formed_operation, well_formed_tool
from remit.people import document
from remit.people.document import Fields

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\Z")
_SIZE = re.compile(r"([1-9][0-9]{0,11})(B|kB|MB|GB)\Z")
_BYTES: Final = {"B": 1, "kB": 1000, "MB": 1_000_000, "GB": 1_000_000_000}
_UNITS: Final = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1000))
_LONGEST_WITHIN: Final = Micros(DAY)  # a run holds for a day at most
_MOST_PER_RUN: Final = 1_000_000
_DEEPEST: Final = 16
_MAX_TEXT: Final = 1000
IN_LIMITS: Final = ("volume", "max_depth")


def conditions(
    limits: Mapping[str, Any], windows: tuple[Window, ...], sequence: Mapping[str, Any]
) -> Conditions | None:
    """The conditions of a clause from what its fields said; None if they said nothing of the kind."""
    found = Conditions(
        windows=windows,
        volume=limits.get("volume"),
        max_depth=limits.get("max_depth"),
        requires_before=sequence.get("requires_before") or (),
        forbidden_after=sequence.get("forbidden_after") or (),
        per_run=sequence.get("per_run"),
    )
    return None if found == Conditions() else found


def volume(value: object) -> Volume:
    """`{bytes: 10MB, per: day}`: decimal units."""
    fields = Fields(value, known={"bytes", "per"})
    size = fields.take("bytes", _size)
    per = fields.take("per", document.choice("hour", "day", "month"))
    fields.finish()
    return Volume(bytes=size, per=per)


def max_depth(value: object) -> int:
    """How many may stand between the caller and the agent whose access it is."""
    return document.whole(0, _DEEPEST)(value)


def windows(value: object) -> tuple[Window, ...]:
    """A list of windows. Of one zone no two may overlap: somebody meant something else."""
    found = document.items(_window, most=50)(value)
    for at, one in enumerate(found):
        for other in found[:at]:
            shared = sorted(set(one.days) & set(other.days))
            if one.zone == other.zone and shared and one.start < other.end and other.start < one.end:
                raise Malformed(f"two windows overlap on {DAY_NAMES[shared[0]]}")
    return found


def sequence(value: object) -> dict[str, Any]:
    """`requires_before`, `forbidden_after`, `per_run`."""
    fields = Fields(value, known={"requires_before", "forbidden_after", "per_run"})
    requires = fields.maybe("requires_before", document.distinct(document.items(_step, most=20)), ())
    forbidden = fields.maybe("forbidden_after", document.distinct(document.items(_action, most=100)), ())
    per_run = fields.maybe("per_run", document.whole(1, _MOST_PER_RUN), None)
    if value == {}:
        fields.problem("requires_before", "is missing, and so is every other rule of a sequence")
    fields.finish()
    return {"requires_before": requires, "forbidden_after": tuple(sorted(forbidden)), "per_run": per_run}


def said(found: Conditions) -> dict[str, Any]:
    """The members of a clause that `conditions` reads these from; `limits` goes with the clause's own."""
    limits: dict[str, Any] = {}
    if found.volume is not None:
        limits["volume"] = {"bytes": size_text(found.volume.bytes), "per": found.volume.per}
    if found.max_depth is not None:
        limits["max_depth"] = found.max_depth
    steps: dict[str, Any] = {}
    if found.requires_before:
        steps["requires_before"] = [_step_said(each) for each in found.requires_before]
    if found.forbidden_after:
        steps["forbidden_after"] = list(found.forbidden_after)
    if found.per_run is not None:
        steps["per_run"] = found.per_run
    open_ = [window_said(each) for each in found.windows]
    parts = {"limits": limits, "windows": open_, "sequence": steps}
    return {name: part for name, part in parts.items() if part}


def read_back(value: Mapping[str, Any]) -> Conditions | None:
    """What `said` wrote. A zone that is there no more is no error here: a call that needs it is not decided."""
    limits = value.get("limits", {})
    return conditions(
        {
            "volume": volume(limits["volume"]) if "volume" in limits else None,
            "max_depth": limits.get("max_depth"),
        },
        tuple(_window(each, zone_as=_kept_zone) for each in value.get("windows", ())),
        sequence(value["sequence"]) if "sequence" in value else {},
    )


def window_said(window: Window) -> dict[str, Any]:
    """One window as a document has it."""
    return {
        "days": [DAY_NAMES[day] for day in window.days],
        "from": _time_text(window.start),
        "to": _time_text(window.end),
        "zone": window.zone,
    }


def size_text(size: int) -> str:
    """A number of bytes in the greatest unit that says it exactly."""
    word = next(word for word in ("GB", "MB", "kB", "B") if size % _BYTES[word] == 0)
    return f"{size // _BYTES[word]}{word}"


def _step_said(step: Step) -> str | dict[str, Any]:
    if not step.same and step.within is None:
        return step.action
    found: dict[str, Any] = {"action": step.action}
    if step.same:
        found["same"] = dict(step.same)
    if step.within is not None:
        word, unit = next((word, unit) for word, unit in _UNITS if step.within % unit == 0)
        found["within"] = f"{step.within // unit}{word}"
    return found


def _size(value: object) -> int:
    match = _SIZE.match(value) if isinstance(value, str) else None
    if match is None:
        raise Malformed("a size is a number and one of B, kB, MB, GB, such as 10MB")
    return int(match[1]) * _BYTES[match[2]]


def _kept_zone(value: object) -> str:
    with suppress(Malformed):
        zone(str(value))  # read now, and not when the first call comes
    return str(value)


def _window(value: object, *, zone_as: Callable[[object], str] | None = None) -> Window:
    fields = Fields(value, known={"days", "from", "to", "zone"})
    days = fields.maybe("days", _days, tuple(range(len(DAY_NAMES))))
    start = fields.take("from", _time)
    end = fields.take("to", _end)
    name = fields.take("zone", zone_as or _zone)
    if start is not None and end is not None and start >= end:
        fields.problem("to", "is not after `from`: a night is two windows, one up to 24:00 and one from 00:00")
    fields.finish()
    return Window(days=days, start=start, end=end, zone=name)


def _days(value: object) -> tuple[int, ...]:
    found: list[int] = []
    for item in document.items(document.text(most=20), most=7)(value):
        first, dots, last = item.partition("..")
        if first not in DAY_NAMES or (last if dots else first) not in DAY_NAMES:
            raise Malformed("days are mon, tue, wed, thu, fri, sat, sun, or a range such as mon..fri")
        low, high = DAY_NAMES.index(first), DAY_NAMES.index(last if dots else first)
        if low > high:
            raise Malformed(f"{item} goes backwards: the week begins with mon")
        found += range(low, high + 1)
    if len(set(found)) != len(found):
        raise Malformed("a day stands here twice")
    return tuple(sorted(found))


def _time(value: object) -> int:
    match = _TIME.match(value) if isinstance(value, str) else None
    if match is None:
        raise Malformed('a time of day is HH:MM in quotes, such as "08:00"')
    return int(match[1]) * 60 + int(match[2])


def _end(value: object) -> int:
    return MINUTES if value == "24:00" else _time(value)


def _time_text(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _zone(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("a time zone is named as the IANA database does, such as Europe/Berlin")
    zone(value)
    return value


def _action(value: object) -> ActionName:
    if not isinstance(value, str) or "*" in value:
        raise Malformed("one action is expected, server/tool, and no pattern")
    server, tool, is_tool = split_action(value)
    check_name(server, what="the server in an action")
    if not is_tool or not (well_formed_tool(tool) or well_formed_operation(tool)):
        raise Malformed("an action is server/tool")
    return ActionName(value)


def _step(value: object) -> Step:
    if isinstance(value, str):
        return Step(action=_action(value))
    fields = Fields(value, known={"action", "same", "within"})
    action = fields.take("action", _action)
    same = fields.maybe("same", _same, ())
    within = fields.maybe("within", document.duration(most=_LONGEST_WITHIN), None)
    fields.finish()
    return Step(action=action, same=same, within=within)


def _same(value: object) -> tuple[tuple[str, str], ...]:
    """An argument of this action: the argument of the earlier one."""
    if not isinstance(value, dict) or not 0 < len(value) <= 10:  # noqa: PLR2004 - more is no correlation
        raise Malformed("an object is expected: an argument of this action, and that of the earlier one")
    for name in (*value, *value.values()):
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_TEXT:
            raise Malformed("the name of an argument is expected")
    if len(set(value.values())) != len(value):
        raise Malformed("an argument of the earlier action stands here twice")
    return tuple(sorted(value.items(), key=lambda pair: pair[1]))
