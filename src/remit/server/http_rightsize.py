"""`/v1/agents/{name}/rightsize`: narrower boundaries from use, a first one from imported use. Nothing is applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from remit.audit.log import Log
from remit.certification.ports import ObservedUses
from remit.certification.rightsizing.document import bound_object
from remit.certification.rightsizing.generalise import Dial, Scope
from remit.kernel.clock import Clock, Micros, rfc3339
from remit.kernel.errors import Malformed, NotFound
from remit.kernel.names import AgentName, BoundaryName, PurposeName
from remit.policy.denial import violation_body
from remit.policy.view import View
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door
from remit.server.rightsizing import Sized, Wish, first, narrower, with_purposes
from remit.server.used import MOST_ENTRIES, used

_MOST_HEADROOM = 1000  # per cent
_MOST_HELD = 90  # per cent
_MOST_DENIALS = 1000  # that one answer tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Rightsizing:
    """Proposals over HTTP."""

    view: Callable[[], View]
    log: Log
    uses: ObservedUses
    clock: Clock
    accountable: Accountable
    reviewed: Callable[[BoundaryName], Micros | None] = lambda _name: None  # how often its document says

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/agents/{name}/rightsize",
                summary="Narrower boundaries from use (?dial=exact|tool|server&headroom=&hold_out=&purpose=)",
                # What was used stands in sealed payloads: who may open these may see what is learned from them.
                action="readDecisions", handle=self.propose, query=("dial", "headroom", "hold_out", "purpose"),
                owners=lambda ask: self.accountable.for_agent(ask.path["name"]),
            ),
        ]  # fmt: skip

    def propose(self, ask: Ask) -> dict[str, Any]:
        """A proposal for each boundary in force, and for each purpose without one that use was imported for."""
        view, name = self.view(), AgentName(ask.path["name"])
        record = view.agents.get(name)
        if record is None:
            raise NotFound(f"there is no agent {name}"[:200])
        wish = _wish(ask)
        logged, imported = used(self.log, name), list(self.uses.of(name, most=MOST_ENTRIES))
        known, unclear = with_purposes(imported, record, wish.purpose)
        now = self.clock.now()
        found = [
            *narrower(view, record, logged, known, wish, now, self.reviewed),
            *first(view, record, known, wish, now),
        ]
        return {
            "agent": name,
            "dial": wish.dial.scope.value,
            "headroom": wish.dial.headroom,
            "hold_out": wish.hold_out,
            "log": {"entries": logged.entries, "oldest": logged.oldest, "whole": logged.whole},
            "imported": {"uses": len(imported), "whole": len(imported) < MOST_ENTRIES, "without_purpose": unclear},
            "proposals": [_shape(each) for each in found],
        }


def _wish(ask: Ask) -> Wish:
    scope = ask.query.get("dial", Scope.TOOL.value)
    if scope not in {each.value for each in Scope}:
        raise Malformed(f"dial is one of {', '.join(Scope)}")
    headroom = ask.number("headroom", default=20, most=_MOST_HEADROOM)
    hold_out = ask.number("hold_out", default=30, most=_MOST_HELD)
    purpose = ask.query.get("purpose")
    return Wish(
        Dial(scope=Scope(scope), headroom=headroom), hold_out, None if purpose is None else PurposeName(purpose)
    )


def _shape(sized: Sized) -> dict[str, Any]:
    found, boundary = sized.proposal, sized.boundary
    before = 0 if boundary is None else len(boundary.rules)
    return {
        "boundary": found.target.boundary,
        "purpose": found.target.purpose,
        "version": None if boundary is None else boundary.version,
        "held_out_from": None if sized.cut is None else rfc3339(sized.cut),
        "calls": {
            "learned": found.learned, "held_out": found.held, "outside": found.outside,
            "arguments_unknown": found.unread,
        },
        "actions": {"before": before, "after": sum(row.kept for row in found.rows)},
        "weight": {"before": found.weight_before, "after": found.weight_after},
        "rows": [
            {
                "action": row.action, "tier": row.tier.value, "used": row.learned, "held_out": row.held,
                "kept": row.kept, "when": {bound.argument: bound_object(bound) for bound in row.when},
                "would_deny": row.refused,
            }
            for row in found.rows
        ],
        "would_deny": len(found.refusals),
        "denials": [
            {
                "action": each.action, "time": rfc3339(each.at), "code": each.code,
                "violations": [violation_body(violation) for violation in each.violations],
            }
            for each in found.refusals[:_MOST_DENIALS]
        ],
        "left_out": dict(sized.left_out),
        "document": found.document,
    }  # fmt: skip
