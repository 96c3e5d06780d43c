"""`/v1/breakglass`: boundaries for emergencies, opened by people, closed, and looked at by others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from remit.access.opening import NEVER, Opening
from remit.certification.breakglass import BreakGlass
from remit.kernel.clock import Clock, parse_duration, rfc3339
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door, actor

_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlassDoors:
    """Break-glass over HTTP. An agent's token opens none of these doors: they take operators' tokens."""

    breakglass: BreakGlass
    accountable: Accountable
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/breakglass", summary="The newest openings (?agent=NAME, ?limit=N)",
                action="read", handle=self.list, query=("agent", "limit"),
            ),
            Door(
                method="POST", path="/v1/breakglass",
                summary="Open a boundary for emergencies, for an hour at the most; its owner and security are told",
                action="openBreakglass", handle=self.open, body="json",
                fields={"agent": "string", "boundary": "string", "for": "string", "reason": "string",
                        "ticket": "string"},
                owners=lambda ask: self.accountable.for_agent(ask.body["agent"]), status=201,
            ),
            Door(
                method="POST", path="/v1/breakglass/{opening}/close", summary="End an opening before its time",
                action="openBreakglass", handle=self.close, body="json", owners=self._owners,
            ),
            Door(
                method="POST", path="/v1/breakglass/{opening}/review",
                summary="Say, as somebody else than who opened it, whether an opening was right",
                action="reviewBreakglass", handle=self.review, body="json",
                fields={"note": "string?", "accepted": "boolean?"}, owners=self._owners,
            ),
        ]  # fmt: skip

    def list(self, ask: Ask) -> dict[str, Any]:
        """Newest first."""
        found = self.breakglass.listing(ask.query.get("agent"), most=ask.number("limit", default=100, most=_MOST))
        return {"openings": [self._shape(each) for each in found]}

    def open(self, ask: Ask) -> dict[str, Any]:
        """Open. When this answers, this node decides with it."""
        body = ask.body
        found = self.breakglass.open(
            body["agent"], body["boundary"], lasts=parse_duration(body["for"]), reason=body["reason"],
            ticket=body["ticket"], by=actor(ask),
        )  # fmt: skip
        return self._shape(found)

    def close(self, ask: Ask) -> dict[str, Any]:
        """Close."""
        return self._shape(self.breakglass.close(ask.path["opening"], by=actor(ask)))

    def review(self, ask: Ask) -> dict[str, Any]:
        """Accept it, or not."""
        accepted, note = ask.body.get("accepted"), ask.body.get("note") or ""
        said = True if accepted is None else accepted
        return self._shape(self.breakglass.review(ask.path["opening"], accepted=said, note=note, by=actor(ask)))

    def _owners(self, ask: Ask) -> Collection[str]:
        return self.accountable.for_agent(self.breakglass.find(ask.path["opening"]).agent)

    def _shape(self, each: Opening) -> dict[str, Any]:
        return {
            "opening": each.opening,
            "agent": each.agent,
            "boundary": each.boundary,
            "open": each.live(self.clock.now()),
            "state": each.state.value,
            "opened": rfc3339(each.opened),
            "ends": rfc3339(each.ends),
            "by": each.by,
            "reason": each.reason,
            "ticket": each.ticket,
            "closed_by": each.closed_by or None,
            "review_due": None if each.due == NEVER else rfc3339(each.review_due),
            "reviewed": None if each.reviewed is None else rfc3339(each.reviewed),
            "reviewed_by": each.reviewed_by or None,
            "note": each.note or None,
        }
