"""`/v1/posture`: how much privilege there is, whose, and how it changed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from remit.access.added import Approval, year_of
from remit.certification.posture.growth import figures
from remit.certification.posture.reach import Person, Through
from remit.certification.posture.report import LikeAClock, PostureReport
from remit.certification.posture.row import Row
from remit.certification.posture.widening import Widened
from remit.kernel.clock import DAY, SECOND, Clock, rfc3339
from remit.kernel.errors import Malformed
from remit.server.door import Ask, Door

_AGENTS, _MOST_AGENTS = 1000, 10_000
_DAYS, _MOST_DAYS = 90, 800
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureDoors:
    """The posture over HTTP."""

    report: PostureReport
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/posture", summary="Today's privilege: of all agents, and of each (?after=NAME)",
                action="read", handle=self.newest, query=("after", "limit"),
            ),
            Door(
                method="GET", path="/v1/posture/series", summary="Day by day, of all or one (?agent=NAME&days=N)",
                action="read", handle=self.series, query=("agent", "days"),
            ),
            Door(
                method="GET", path="/v1/posture/people", summary="What people reach through agents, and gained",
                action="read", handle=self.people,
            ),
            Door(
                method="GET", path="/v1/posture/clockwork",
                summary="What is used like a clock and declares no cadence (?agent=NAME, ?after=NAME)",
                action="read", handle=self.clockwork, query=("agent", "after", "limit"),
            ),
            Door(
                method="GET", path="/v1/posture/widenings", summary="What approvals added to each agent (?year=YYYY)",
                action="read", handle=self.widenings, query=("year",),
            ),
        ]  # fmt: skip

    def newest(self, ask: Ask) -> dict[str, Any]:
        """The newest day: `more` is the name to go on behind, or null."""
        most = ask.number("limit", default=_AGENTS, most=_MOST_AGENTS)
        found = self.report.newest(after=ask.query.get("after", ""), most=most)
        if found is None:
            return {"day": None, "all": None, "agents": [], "more": None}
        day, total, rows = found
        agents = [{"agent": each.agent, **_shape(each.row)} for each in rows]
        more = rows[-1].agent if rows and len(rows) == most else None
        return {"day": date(day), "all": figures(total.sums), "agents": agents, "more": more}

    def series(self, ask: Ask) -> dict[str, Any]:
        """One row for each day on which a snapshot was taken, the oldest first."""
        agent, days = ask.query.get("agent", ""), ask.number("days", default=_DAYS, most=_MOST_DAYS)
        rows = [{"day": date(each.day), **figures(each.row.sums)} for each in self.report.series(agent, days=days)]
        return {"agent": agent or None, "series": rows}

    def people(self, _ask: Ask) -> dict[str, Any]:
        """Who gained most comes first."""
        found = self.report.people()
        if found is None:
            return {"day": None, "since": None, "people": []}
        day, since, everybody = found
        return {"day": date(day), "since": date(since), "people": [_person(each) for each in everybody]}

    def clockwork(self, ask: Ask) -> dict[str, Any]:
        """Agent by agent, for people to ask what it is for: `more` is the name to go on behind, or null."""
        most = ask.number("limit", default=_AGENTS, most=_MOST_AGENTS)
        found, more = self.report.clockwork(ask.query.get("agent", ""), after=ask.query.get("after", ""), most=most)
        agents = [
            {"agent": name, "activations": [_like_a_clock(each) for each in mine]}
            for name, mine in groupby(found, key=lambda each: each.key.agent)
        ]
        return {"agents": agents, "more": more}

    def widenings(self, ask: Ask) -> dict[str, Any]:
        """Of this year, or of another."""
        year = ask.number("year", default=year_of(self.clock.now()), most=_LAST_YEAR)
        if year < _FIRST_YEAR:
            raise Malformed(f"a year is {_FIRST_YEAR} to {_LAST_YEAR}")
        return {"year": year, "agents": [_widened(each) for each in self.report.widenings(year)]}


def date(day: int) -> str:
    """A UTC day as `2026-11-24`."""
    return rfc3339(day * DAY)[:10]


def _shape(row: Row) -> dict[str, Any]:
    return {
        "owner": row.owner,
        "stand_ins": list(row.stand_ins),
        "max_children": row.max_children,
        **figures(row.sums),
    }


def _person(each: Person) -> dict[str, Any]:
    return {
        "person": each.person,
        "owns": _through(each.owns),
        "stands_in": _through(each.stands_in),
        "weight": each.weight,
        "gained": each.gained,
    }


def _through(each: Through) -> dict[str, int]:
    return {"agents": each.agents, "direct": each.direct, "latent": each.latent}


def _like_a_clock(each: LikeAClock) -> dict[str, Any]:
    return {
        "purpose": each.key.purpose,
        "action": each.key.action,
        "boundaries": list(each.boundaries),
        "days": each.how.days,
        "every_seconds": each.how.every // SECOND,
        "first": rfc3339(each.how.first),
        "last": rfc3339(each.how.last),
    }


def _widened(each: Widened) -> dict[str, Any]:
    return {
        "agent": each.agent,
        "points": each.points,
        "max_widening": each.limit,
        "left": each.left,
        "widenings": [_widening(one) for one in each.widenings],
    }


def _widening(each: Approval) -> dict[str, Any]:
    version = each.version
    return {
        "boundary": version.draft.boundary,
        "version": version.version,
        "by": version.approved_by,
        "at": None if version.approved_at is None else rfc3339(version.approved_at),
        "points": each.points,
        "weight_before": each.before,
        "weight_after": each.after,
        "widens": list(each.reasons),
    }
