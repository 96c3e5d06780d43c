"""`/v1/now`: what goes on at this moment on this node, all of it from memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.enforcement.pace import SECONDS, Pace, Paced
from remit.kernel.clock import Clock, rfc3339
from remit.policy.model import Call
from remit.server.door import Ask, Door

_MINUTE: Final = 60
_LISTED: Final = 1000  # agents and actions whose running calls are told apart


@dataclass(frozen=True, slots=True, kw_only=True)
class NowDoors:
    """The present over HTTP.

    Args:
        pace: Decisions of each second.
        calls: The calls that run.
        points: Every registered enforcement point, and whether it is connected.
        clock: Says when.
    """

    pace: Pace
    calls: Callable[[], Sequence[Call]]
    points: Callable[[], Mapping[str, bool]]
    clock: Clock

    def doors(self) -> list[Door]:
        """The door of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/now", action="read", handle=self.now,
                summary="What goes on on this node: decisions of each second of 15 minutes, running calls, points",
            )
        ]  # fmt: skip

    def now(self, _ask: Ask) -> dict[str, Any]:
        """Seconds are whole ones, the oldest first; the one that goes on is not among them."""
        seconds, calls, points = self.pace.last(SECONDS), self.calls(), self.points()
        minute = seconds[-_MINUTE:]
        counted = Counter((call.caller.agent, call.action) for call in calls)
        return {
            "at": rfc3339(self.clock.now()),
            "last_minute": {name: sum(getattr(each, name) for each in minute) for name in Paced._fields},
            "seconds": {name: [getattr(each, name) for each in seconds] for name in Paced._fields},
            "running": len(calls),
            "running_calls": [
                {"agent": agent, "action": action, "calls": count}
                for (agent, action), count in counted.most_common(_LISTED)
            ],
            "points": [{"point": name, "connected": connected} for name, connected in points.items()],
        }
