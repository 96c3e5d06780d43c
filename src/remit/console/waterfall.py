"""The calls of a run as a drawing: a lane for each agent and instance, a bar for each call, time to the right. Pure.

What runs at the same time in one lane stands in rows of its own. Names are text that somebody chose: they are cut short
and kept from turning the rest of a line round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.console.frame import micros
from remit.kernel.clock import SECOND

WIDTH: Final = 1000
_LEFT, _RIGHT = 210, 14  # for the names, and for the last bar
_ROW, _BAR, _TOP = 20, 13, 26
_THIN: Final = 2.5  # what takes no time is seen all the same
_ROWS: Final = 8  # in one lane; more than that run over each other
_TICKS: Final = 5
_LONGEST: Final = 26
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One call. `kind`: allowed, denied, cut or open."""

    x: float
    y: int
    width: float
    kind: str
    decision: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One agent's instance."""

    y: int
    height: int
    name: str
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """The drawing. `ticks`: places on the line of time, with milliseconds from the first call."""

    height: int
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    left: int = _LEFT
    bar: int = _BAR


def fall(calls: Sequence[Mapping[str, Any]]) -> Fall:
    """The drawing of these calls; a call without a time that can be read is left out."""
    timed = [(at, each) for each in calls if (at := micros(each["time"])) is not None]
    if not timed:
        return Fall(height=_TOP, lanes=(), bars=(), ticks=())
    first = min(at for at, _ in timed)
    span = max(1, max(at + _took(each) for at, each in timed) - first)
    scale = (WIDTH - _LEFT - _RIGHT) / span
    lanes: dict[tuple[str, str, str], list[tuple[float, Mapping[str, Any]]]] = {}
    for at, each in sorted(timed, key=lambda pair: pair[0]):
        lanes.setdefault((each["agent"], each["instance"], each["run"]), []).append(((at - first) * scale, each))
    bars: list[Bar] = []
    drawn: list[Lane] = []
    top = _TOP
    for (agent, instance, _), of in lanes.items():
        rows: list[float] = []
        for x, each in of:
            width = max(_THIN, _took(each) * scale)
            row = _row(rows, x, x + width)
            bars.append(_bar(each, _LEFT + x, top + 4 + row * _ROW, width))
        height = max(2, len(rows)) * _ROW + 8
        drawn.append(Lane(y=top, height=height, name=short(agent), sub=short(instance[:12])))
        top += height + 4
    ticks = tuple(
        (_LEFT + part * (WIDTH - _LEFT - _RIGHT) / _TICKS, _time(span * part // _TICKS)) for part in range(_TICKS)
    )
    return Fall(height=top, lanes=tuple(drawn), bars=tuple(bars), ticks=ticks)


def short(name: object) -> str:
    """A name that fits, in an isolate: what turns the direction of text ends with it."""
    text = " ".join(str(name).split())
    return "\u2068" + (text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…") + "\u2069"


def kind_of(call: Mapping[str, Any]) -> str:
    """How a call ended: allowed, denied, cut, or open as long as it runs."""
    if call["answer"] == "deny":
        return "denied"
    if call.get("cut"):
        return "cut"
    return "open" if call.get("outcome") is None else "allowed"


def _row(rows: list[float], start: float, end: float) -> int:
    """The first row that is free at `start`."""
    for number, free in enumerate(rows):
        if free <= start:
            rows[number] = end
            return number
    if len(rows) < _ROWS:
        rows.append(end)
        return len(rows) - 1
    rows[-1] = max(rows[-1], end)
    return _ROWS - 1


def _bar(call: Mapping[str, Any], x: float, y: int, width: float) -> Bar:
    kind = kind_of(call)
    took = "" if call["took_microseconds"] is None else f", {_time(call['took_microseconds'])}"
    answer = call.get("code") or kind
    return Bar(
        x=round(x, 2), y=y, width=round(min(width, WIDTH - x), 2), kind=kind, decision=call["decision"],
        said=f"{short(call['agent'])} {short(call['action'])} {answer}{took}",
    )  # fmt: skip


def _took(call: Mapping[str, Any]) -> int:
    return int(call["took_microseconds"] or 0)


def _time(spent: int) -> str:
    """Microseconds as people read them."""
    if spent < SECOND:
        return f"{spent / 1000:.0f} ms"
    seconds = spent / SECOND
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
