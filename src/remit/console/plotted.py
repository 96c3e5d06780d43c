"""What the console's plots show, and the sentence that says what to see in each. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from remit.kernel.clock import DAY, SECOND, Instant, rfc3339

EACH: Final = 5  # seconds in one point of the curve of decisions
_MINUTE: Final = 60
_NOT_TODAY: Final = " What does so today is counted tomorrow."
_MILLIONTH: Final = 10_000  # of one percent


def creep(series: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The curves of granted, direct, latent and used, day by day."""
    return {
        "day": [row["day"] for row in series],
        "granted": [row["granted"] for row in series],
        "direct": [row["direct"]["count"] for row in series],
        "latent": [row["latent"]["count"] for row in series],
        "used": [row["used"] for row in series],
    }


def creep_said(series: Sequence[Mapping[str, Any]]) -> str:
    """Whether access piles up."""
    if not series:
        return "Access is counted once a day; nothing was counted yet."
    first, last = series[0], series[-1]
    unused = last["granted"] - last["used"]
    now = f"As counted on {last['day']}, {last['granted']} entitlements were granted and {unused} not used in 90 days"
    if len(series) == 1:
        return f"{now}. Here the curve begins: what is granted should come down to what is used."
    apart = last["granted"] - first["granted"]
    way = "none more" if apart == 0 else f"{abs(apart)} {'more' if apart > 0 else 'fewer'}"
    return f"{now}; {way} than on {first['day']}. What is granted should come down to what is used."


def turns(series: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """What lapsed and what came back, day by day. A day's snapshot tells of the day before."""
    days = [str(date.fromisoformat(row["day"]) - timedelta(days=1)) for row in series]
    of = [row.get("day_before") or {"lapsed": 0, "returned": 0} for row in series]
    return {"day": days, "lapsed": [row["lapsed"] for row in of], "returned": [row["returned"] for row in of]}


def turns_said(of: Mapping[str, Sequence[int]]) -> str:
    """Whether what is taken away is missed."""
    lapsed, returned = sum(of["lapsed"]), sum(of["returned"])
    if not lapsed and not returned:
        return "Nothing lapsed and nothing came back in these days." + _NOT_TODAY
    return (
        f"{lapsed} entitlements lapsed for want of use and {returned} came back. Where many come back, they were "
        f"let go too early; where none do, nobody missed them.{_NOT_TODAY}"
    )


def days(series: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows beside the curves (pure)."""
    return [
        {
            "day": each["day"], "granted": each["granted"], "direct": each["direct"]["count"],
            "latent": each["latent"]["count"], "used": each["used"], **(each.get("day_before") or {}),
        }
        for each in series
    ]  # fmt: skip


def paced(seconds: Mapping[str, Sequence[int]], at: Instant) -> dict[str, Any]:
    """Decisions a second, over every five seconds. `x`: where each of these ends, in seconds since 1970."""
    names = ("allow", "deny", "other")
    length = min(len(seconds[name]) for name in names)
    begins = range(length % EACH, length, EACH)
    end = at // SECOND
    said: dict[str, Any] = {"x": [end - (length - begin - EACH) for begin in begins]}
    for name in names:
        said[name] = [round(sum(seconds[name][begin : begin + EACH]) / EACH, 2) for begin in begins]
    return said


def minutes(seconds: Mapping[str, Sequence[int]], at: Instant) -> list[dict[str, Any]]:
    """The same in rows, a minute each, the newest first."""
    length = min(map(len, seconds.values()))
    rows = []
    for ago in range(-(-length // _MINUTE)):
        stop = length - ago * _MINUTE
        part = {name: sum(of[max(0, stop - _MINUTE) : stop]) for name, of in seconds.items()}
        rows.append({"until": rfc3339(Instant((at // SECOND - ago * _MINUTE) * SECOND)), **part})
    return rows


def paced_said(seconds: Mapping[str, Sequence[int]]) -> str:
    """What goes on."""
    sums = {name: sum(of) for name, of in seconds.items()}
    total = sum(sums.values())
    if not total:
        return "Nothing was decided on this node in the last 15 minutes."
    top = max(map(sum, zip(*seconds.values(), strict=False)))
    share = 100 * sums["deny"] / total
    return (
        f"{total} decisions in 15 minutes, at most {top} in one second; {sums['deny']} ({share:.1f} %) were refused. "
        "A jump in what is refused is an agent that is lost, or somebody who tries."
    )


def ages(
    secrets: Sequence[Mapping[str, Any]], now: Instant, micros: Callable[[object], int | None]
) -> list[dict[str, Any]]:
    """Each secret that has a value with its age in days, the longest-lived first. `micros` reads a time of the API."""
    rows = [
        {
            "secret": each["secret"], "days": max(0, now - (micros(each["made"]) or now)) // DAY, "kind": each["kind"],
            "exposed": "exposed" if each["exposed"] else "", "next_rotation": each["next_rotation"],
        }
        for each in secrets
        if each.get("made")
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row["days"], row["secret"]))


def ages_said(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which credential has lived longest."""
    if not rows:
        return "No credential is kept here."
    if len(rows) == 1:
        return f"One credential is kept, {rows[0]['secret']}: {rows[0]['days']} days old."
    fixed = sum(not row["next_rotation"] for row in rows)
    return (
        f"The longest-lived of {len(rows)} credentials is {rows[0]['secret']}, {rows[0]['days']} days old; "
        f"{fixed} are changed by people alone. Old ones that nothing changes are where to begin."
    )


def spread(agents: Sequence[Mapping[str, Any]], *, most: int) -> list[dict[str, Any]]:
    """One point for each agent that was granted anything: risk, and the share of what it may that it uses.

    Of more than `most` those whose weight of what is unused is largest.
    """
    unused = heapq.nsmallest(
        most,
        (each for each in agents if each["granted"]),
        key=lambda each: (-each["granted_weight"] * each["over_privilege_millionths"], each["agent"]),
    )
    return [
        {
            "agent": each["agent"], "weight": each["granted_weight"],
            "used": 100 - each["over_privilege_millionths"] / _MILLIONTH,
        }
        for each in unused
    ]  # fmt: skip


def spread_said(points: Sequence[Mapping[str, Any]], agents: int) -> str:
    """Who may much and uses little."""
    if not points:
        return "No agent was granted anything when it was last counted."
    idle = [each for each in points if each["used"] < 50]  # noqa: PLR2004 - half of it
    shown = f"The {len(points)} of {agents} agents with most unused weight" if agents > len(points) else "Each agent"
    first = f", first of them {points[0]['agent']}" if idle else ""
    said = f"{shown} is a point; when last counted {len(idle)} used less than half of what they may{first}"
    return f"{said}. High and to the left is to narrow."
