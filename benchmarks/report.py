"""What every benchmark says of a measurement: median and spread, and how it stands against its floor and its aim.

A report is `{"name": ..., "rows": [row(...), ...]}`: what `--json` prints, and what `run.py` collects.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A floor and an aim that are shown and judge nothing, why they are missed, and where that is written down."""

    floor: float
    aim: float
    why: str
    where: str


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
    """One measurement. `ok` is None for what is only reported.

    The unrounded median is judged: a rounded one could pass a floor that was missed.
    """
    told: dict[str, Any] = {"what": what, **spread(values, digits=digits), "unit": unit, "floor": floor, "aim": aim}
    return _judged(told, statistics.median(values), less_is_better=less_is_better)


def wished_row(what: str, values: Sequence[float], unit: str, *, wish: Wish) -> dict[str, Any]:
    """One measurement beside a floor that no exit code depends on: `ok` is None, and `met` says how it stands."""
    found = row(what, values, unit, floor=wish.floor, aim=wish.aim)
    return {**found, "ok": None, "why": wish.why, "where": wish.where}


def tail_row(
    what: str, times: Sequence[float], unit: str, *, part: float, parts: int, floor: float | None = None,
    aim: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A percentile of all times (under the key `median`); low and high are those of `parts` equal stretches."""
    size = len(times) // parts
    each = [percentile(times[at * size : (at + 1) * size], part) for at in range(parts)]
    whole = percentile(times, part)
    told = {"what": what, **spread(each), "median": round(whole, 2), "unit": unit, "floor": floor, "aim": aim}
    return _judged(told, whole, less_is_better=True)


def _judged(told: dict[str, Any], value: float, *, less_is_better: bool) -> dict[str, Any]:
    floor = told["floor"]
    ok = None if floor is None else holds(value, floor, less_is_better=less_is_better)
    return {**told, "less_is_better": less_is_better, "met": ok, "ok": ok}


def holds(value: float, limit: float, *, less_is_better: bool) -> bool:
    """Whether `value` is as good as `limit`, or better."""
    return value <= limit if less_is_better else value >= limit


def missed(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that are below the floor they are judged by."""
    return [each for each in rows if each["ok"] is False]


def wished(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that are below a floor that judges nothing (`Wish`)."""
    return [each for each in rows if each["ok"] is None and each["met"] is False]


def told(report: dict[str, Any]) -> str:
    """A report as lines for a person."""
    return "\n".join(
        f"{row['what']:<58} {row['median']:>12,.2f} {row['unit']:<8} ({row['low']:,.2f} to {row['high']:,.2f})"
        + ("" if row["floor"] is None else f"  floor {row['floor']:g}")
        + ("" if row["aim"] is None else f", aim {row['aim']:g}")
        + (f"; missed and not judged, see {row['where']}" if wished([row]) else "")
        for row in report["rows"]
    )


def options(about: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def finish(name: str, rows: list[dict[str, Any]], *, as_json: bool, say: Callable[[str], object] = print) -> int:
    """Print a report; the exit code is 1 if a row is below its floor."""
    report: dict[str, Any] = {"name": name, "rows": rows}
    say(json.dumps(report) if as_json else told(report))
    return 1 if missed(rows) else 0
