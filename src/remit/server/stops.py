"""A freeze as its operator is told of it: what it cut here, and whether it holds everywhere."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.enforcement.streams import Cut
from remit.freezes.containment import GATEWAY, Containment
from remit.freezes.model import Freeze
from remit.freezes.service import FreezeService
from remit.kernel.errors import RemitError
from remit.logs import logger
from remit.people.change import Actor
from remit.server import shapes

_log = logger("remit.freezes")
_LISTED: Final = 1000  # calls in an answer; the log names all of them
_KEPT: Final = 1000  # freezes whose calls are remembered


@dataclass(slots=True)
class Stops:
    """What came of each freeze, for as long as this process runs.

    Args:
        service: Records what was cut.
        cut_by: The calls that a freeze cut on this node; waits until each was told to stop.
        contained: Where every enforcement point stands about a freeze.
        arrivals: Milliseconds from a freeze to each point's first confirmation, where this node knows.
        spread: Waits a moment for other nodes to confirm, until it is so.
    """

    service: FreezeService
    cut_by: Callable[[str], Sequence[Cut]]
    contained: Callable[[str], Containment]
    spread: Callable[[Callable[[], bool]], None] = lambda _: None
    arrivals: Callable[[str], Mapping[str, int]] = lambda _: {}
    _cut: OrderedDict[str, list[dict[str, str]]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def carry_out(self, freeze: Freeze, *, by: Actor) -> None:
        """After a freeze is in force: wait for its cuts, and record them. The freeze holds whatever happens here."""
        try:
            found = [_told(each) for each in self.cut_by(freeze.id)]
            self._keep(freeze.id, found)
            self.service.note_cut(freeze, found, by=by)
            self.spread(lambda: self.contained(freeze.id).contained)
        except (RemitError, TimeoutError) as error:
            _log.error("the cut calls of a freeze are not recorded with it", freeze=freeze.id, error=repr(error))

    def told(self, freeze: Freeze) -> dict[str, Any]:
        """A freeze with its containment and what it cut."""
        cut = self._of(freeze.id)
        return {**self.brief(freeze), "cut": cut[:_LISTED]}

    def brief(self, freeze: Freeze) -> dict[str, Any]:
        """The same without the calls."""
        found = self.contained(freeze.id)
        return {
            **shapes.freeze(freeze),
            "contained": found.contained,
            "confirmed": list(found.confirmed),
            "expired": list(found.expired),
            "pending": list(found.pending),
            "points": _points(found, self.arrivals(freeze.id)),
            "cut_count": len(self._of(freeze.id)),
        }

    def _of(self, freeze: str) -> list[dict[str, str]]:
        with self._lock:
            return list(self._cut.get(freeze, ()))

    def _keep(self, freeze: str, cut: list[dict[str, str]]) -> None:
        with self._lock:
            # A freeze that is asked for again answers with what it cut the first time.
            self._cut.setdefault(freeze, []).extend(cut)
            if len(self._cut) > _KEPT:
                self._cut.popitem(last=False)


def _points(found: Containment, arrivals: Mapping[str, int]) -> list[dict[str, Any]]:
    """Each point with how long it took; the gateway applies a freeze before that is answered."""
    after = {GATEWAY: 0, **arrivals}
    states = (("confirmed", found.confirmed), ("expired", found.expired), ("pending", found.pending))
    return [
        {"point": point, "state": state, "after_ms": after.get(point) if state == "confirmed" else None}
        for state, points in states
        for point in points
    ]


def _told(cut: Cut) -> dict[str, str]:
    return {"decision": cut.decision, "agent": cut.agent, "action": cut.action, "outcome": cut.outcome.value}
