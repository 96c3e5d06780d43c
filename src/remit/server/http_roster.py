"""`/v1/roster`: every agent with who answers for it, what it may, what it used, and when it was last seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, func, select

from remit.certification.posture.growth import Tally, over_privilege
from remit.certification.posture.report import PostureReport
from remit.certification.posture.row import Row
from remit.kernel.clock import SECOND, Clock, Instant, rfc3339
from remit.policy.view import AgentRecord, View
from remit.server.door import Ask, Door
from remit.server.http_posture import date
from remit.storage.ports import Reader
from remit.storage.schema import instances

_AGENTS: Final = 1000
_MOST: Final = 1_000_000
_SEEN_FOR: Final = 5 * SECOND  # microseconds for which what was read of instances is shown


@dataclass(slots=True)
class _Kept:
    """What is read seldom: a day's posture stays as it is; when agents were seen is read anew every few seconds."""

    day: int = -1
    sums: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)  # as `_figures` says
    counted: tuple[int, Row | None] | None = None  # the day and the sums of all: where these differ, so may any
    read: Instant | None = None
    seen: dict[str, Instant] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterDoors:
    """The roster over HTTP. Agents themselves are listed from memory."""

    view: Callable[[], View]
    reader: Reader
    report: PostureReport
    clock: Clock
    kept: _Kept = field(default_factory=_Kept)

    def doors(self) -> list[Door]:
        """The door of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/roster", action="read", handle=self.roster,
                query=("owner", "after", "limit"),
                summary="Every agent with what it may and used, by name (?owner=NAME, ?after=NAME, ?limit=N)",
            )
        ]  # fmt: skip

    def roster(self, ask: Ask) -> dict[str, Any]:
        """Figures are of the newest posture (`day`): null for agents that had none then. `more`: go on behind it."""
        most = ask.number("limit", default=_AGENTS, most=_MOST)
        after, owner = ask.query.get("after", ""), ask.query.get("owner")
        view, kept = self.view(), self._read()
        names = sorted(name for name, each in view.agents.items() if name > after and owner in (None, each.agent.owner))
        frozen = {name for kind, name in view.freezes if kind == "agent"}
        told = cache(rfc3339)  # many end together
        rows = [_row(view.agents[name], kept, told, frozen=name in frozen) for name in names[:most]]
        more = names[most - 1] if 0 < most < len(names) else None
        return {"day": date(kept.day) if kept.day >= 0 else None, "agents": rows, "more": more}

    def _read(self) -> _Kept:
        kept = self.kept
        with kept.lock:
            now, counted = self.clock.now(), self.reader.read(self.report.everybody)
            if counted is not None and counted != kept.counted:
                kept.sums = {each.agent: _figures(each.row.sums) for each in self.report.rows(counted[0])}
                kept.day, kept.counted = counted[0], counted
            if kept.read is None or now - kept.read >= _SEEN_FOR:
                kept.seen, kept.read = self.reader.read(_seen), now
        return kept


def _figures(sums: Tally) -> tuple[int, int, int, int]:
    """Granted, the weight of that, used, and millionths of the weight that are unused."""
    return sums.granted, sums.granted_weight, sums.used, over_privilege(sums)


def _seen(connection: Connection) -> dict[str, Instant]:
    """When each agent last got a token."""
    query = select(instances.c.agent, func.max(instances.c.last_seen)).group_by(instances.c.agent)
    return {row[0]: Instant(row[1]) for row in connection.execute(query)}


def _row(record: AgentRecord, kept: _Kept, told: Callable[[Instant], str], *, frozen: bool) -> Mapping[str, Any]:
    agent = record.agent
    granted, weight, used, over = kept.sums.get(agent.agent, (None, None, None, None))
    seen = kept.seen.get(agent.agent)
    return {
        "agent": agent.agent,
        "owner": agent.owner,
        "purposes": list(agent.purposes),
        "state": "frozen" if frozen else agent.state.value,
        "risk_millionths": record.risk.value,
        "last_seen": None if seen is None else told(seen),
        "granted": granted,
        "granted_weight": weight,
        "used": used,
        "over_privilege_millionths": over,
        "not_after": told(agent.not_after),
    }
