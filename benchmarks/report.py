"""What every benchmark says of a measurement: median and spread, and how it stands against its floor and its aim."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def spread(values: Sequence[float], *, digits: int = 2) -> dict[str, float]:
    """Median, lowest and highest."""
    return {
        "median": round(statistics.median(values), digits),
        "low": round(min(values), digits),
        "high": round(max(values), digits),
    }


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest measured value that at least `part` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * part // 100).__trunc__() - 1)]


def row(
    what: str, values: Sequence[float], unit: str, *, floor: float | None = None, aim: float | None = None,
    less_is_better: bool = False, digits: int = 2,
) -> dict[str, Any]:  # fmt: skip
    """One measurement. `ok` is None for what is only reported."""
    told: dict[str, Any] = {"what": what, **spread(values, digits=digits), "unit": unit, "floor": floor, "aim": aim}
    told["less_is_better"] = less_is_better
    told["ok"] = None if floor is None else holds(told["median"], floor, less_is_better=less_is_better)
    return told


def holds(value: float, limit: float, *, less_is_better: bool) -> bool:
    """Whether `value` is as good as `limit`, or better."""
    return value <= limit if less_is_better else value >= limit


def told(report: dict[str, Any]) -> str:
    """A report as lines for a person."""
    return "\n".join(
        f"{row['what']:<58} {row['median']:>12,.2f} {row['unit']:<8} ({row['low']:,.2f} to {row['high']:,.2f})"
        + ("" if row["floor"] is None else f"  floor {row['floor']:g}, aim {row['aim']:g}")
        for row in report["rows"]
    )
