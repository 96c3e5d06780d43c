"""Where the parts of the drawings made on the server stand, in the units of their own view boxes. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant, rfc3339

# Letters are 12 units high: 10 pixels where a narrow window draws it in the width that overview.css keeps to at least.
WIDE, HIGH, LONG = 520, 300, 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 20, 12, 34  # "100 %" stands around the right end, whole
LANES: Final = ("verdict", "refused", "frozen", "review", "credential", "change")
_LANE, _HEAD = 30, 26
_STEPS: Final = (SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY)


def scatter(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Points of `plotted.spread` with x, y and r; the upright axis is logarithmic, since weights are."""
    top = max((each["weight"] for each in points), default=1)
    decades = max(1, math.ceil(math.log10(max(top, 1) + 1)))

    def y(weight: float) -> float:
        share = math.log10(max(weight, 1)) / decades
        return round(HIGH - _BOTTOM - share * (HIGH - _TOP - _BOTTOM), 1)

    def x(percent: float) -> float:
        return round(_LEFT + percent / 100 * (WIDE - _LEFT - _RIGHT), 1)

    return {
        "wide": WIDE, "high": HIGH, "left": _LEFT, "right": WIDE - _RIGHT, "bottom": HIGH - _BOTTOM, "top": _TOP,
        "points": [{**each, "x": x(each["used"]), "y": y(each["weight"])} for each in points],
        "across": [{"at": x(percent), "said": f"{percent} %"} for percent in (0, 25, 50, 75, 100)],
        "up": [{"at": y(10**power), "said": f"{10**power:,}"} for power in range(decades + 1)],
    }  # fmt: skip


def bars(rows: Sequence[Mapping[str, Any]], *, most: int = 15) -> dict[str, Any]:
    """Rows of `plotted.ages` as bars that lie, the first `most`."""
    top = max((row["days"] for row in rows), default=0) or 1
    return {
        "wide": WIDE, "high": 24 * min(len(rows), most) + 4,
        "rows": [
            {**row, "y": 24 * at + 4, "long": max(2, round(row["days"] / top * (WIDE - 290)))}
            for at, row in enumerate(rows[:most])
        ],
    }  # fmt: skip


def meters(rows: Sequence[Mapping[str, Any]], *, most: int = 12) -> list[dict[str, Any]]:
    """Rows of an agent's limits that are counted, each as a bar of 100 units, the fullest first."""
    counted = [row for row in rows if row.get("share") is not None]
    counted.sort(key=lambda row: (-row["share"], row["action"]))
    return [
        {**row, "long": max(0.5, min(100.0, round(row["share"], 1))) if row["share"] else 0} for row in counted[:most]
    ]


def lanes(happenings: Sequence[Mapping[str, Any]], now: Instant) -> dict[str, Any]:
    """A swimlane: what happened (`at` in microseconds, and its `lane`), from the oldest to now."""
    began = min((each["at"] for each in happenings), default=Instant(now - DAY))
    span = max(now - began, MINUTE)
    left, right = 92, LONG - 12

    def x(at: int) -> float:
        return round(left + (min(at, now) - began) / span * (right - left), 1)

    return {
        "wide": LONG, "high": _HEAD + _LANE * len(LANES) + 6, "left": left, "right": right,
        "lanes": [{"name": name, "y": _HEAD + _LANE * at, "mid": _HEAD + _LANE * at + _LANE // 2}
                  for at, name in enumerate(LANES)],
        "marks": [
            {**each, "x": x(each["at"]),
             "y": _HEAD + _LANE * LANES.index(each["lane"]) + _LANE // 2}
            for each in happenings
        ],
        "ticks": [{"at": x(at), "said": _said(at, step)} for step in (_step(span),) for at in _ticks(began, now, step)],
    }  # fmt: skip


def _step(span: int) -> int:
    return next((step for step in _STEPS if span / step <= 7), _STEPS[-1])  # noqa: PLR2004 - that many fit


def _ticks(began: int, now: int, step: int) -> list[int]:
    first = -(-began // step) * step
    return list(range(first, now + 1, step))


def _said(at: int, step: int) -> str:
    text = rfc3339(Instant(at))
    return text[5:10] if step >= DAY else text[11:16] if step >= MINUTE else text[11:19]
