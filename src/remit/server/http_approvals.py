"""`/v1/approvals`: people ask for an agent, look at what is asked, and say yes or no."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from remit.kernel.canonical import encode
from remit.kernel.clock import Clock, parse_duration, rfc3339
from remit.kernel.errors import Malformed, NotFound
from remit.policy.service import PolicyService
from remit.requests import dry
from remit.requests.answer import others
from remit.requests.model import LASTS, AccessRequest, RequestState
from remit.requests.service import RequestService
from remit.requests.wanted import Wanted
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door, actor
from remit.server.operators import Authority

_MOST = 1000
_MOST_TEXT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDoors:
    """Approvals over HTTP, for people. Agents and enforcement points ask at `/access/v1/requests`."""

    requests: RequestService
    policy: PolicyService
    accountable: Accountable
    authority: Authority
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        one = "/v1/approvals/{request}"
        return [
            Door(
                method="GET", path="/v1/approvals", summary="Access requests, newest first (?state, ?agent, ?limit)",
                action="read", handle=self.list, query=("state", "agent", "limit"),
            ),
            Door(
                method="GET", path=one, action="read", handle=self.show,
                summary="One access request; its arguments are shown to who decides it, why to who reads decisions",
            ),
            Door(
                method="POST", path="/v1/approvals", summary="Ask for an agent that one call may pass once",
                action="askApproval", handle=self.ask, body="json", status=202,
                fields={"agent": "string", "action": "string", "purpose": "string?", "arguments": "object?",
                        "why": "string?"},
                owners=lambda ask: self.accountable.for_agent(ask.body["agent"]),
            ),
            Door(
                method="POST", path=f"{one}/approve", summary="Say yes: the very call passes once, for 15 minutes",
                action="decideApproval", handle=self.approve, body="json",
                fields={"for": "string?", "note": "string?"}, owners=self._deciders, otherwise=self._who,
            ),
            Door(
                method="POST", path=f"{one}/deny", summary="Say no", action="decideApproval", handle=self.deny,
                body="json", fields={"note": "string?"}, owners=self._deciders, otherwise=self._who,
            ),
            Door(
                method="POST", path=f"{one}/cancel", summary="Take a request, or an approval nobody used, back",
                action="cancelApproval", handle=self.cancel, body="json", owners=self._concerned,
            ),
        ]  # fmt: skip

    def list(self, ask: Ask) -> dict[str, Any]:
        """Newest first, without what agents would send."""
        state = ask.query.get("state")
        if state is not None and state not in set(RequestState):
            raise Malformed(f"state is one of {', '.join(RequestState)}")
        most = ask.number("limit", default=100, most=_MOST)
        found = self.requests.listing(state=state, agent=ask.query.get("agent"), most=most)
        return {"requests": [self._shape(each, ask) for each in found]}

    def show(self, ask: Ask) -> dict[str, Any]:
        """One, with the arguments for who decides about them."""
        found = self.requests.find(ask.path["request"])
        return self._whole(found, ask)

    def ask(self, ask: Ask) -> dict[str, Any]:
        """Ask, as a person who may then not say yes."""
        body, purposes = ask.body, self.policy.purposes(ask.body["agent"])
        if purposes is None:
            raise NotFound("no such agent")
        if body.get("purpose") is None and len(purposes) != 1:
            raise Malformed("name a purpose: the agent has " + (", ".join(purposes) or "none"))
        call = dry.question(
            body["agent"], body.get("purpose") or purposes[0], body["action"], body.get("arguments") or {},
            attested=self.clock.now(),
        )  # fmt: skip
        by = actor(ask)
        wanted = Wanted(call=call, asker=by.person, why=_text(body.get("why")))
        return self._whole(self.requests.ask(wanted, by=by), ask)

    def approve(self, ask: Ask) -> dict[str, Any]:
        """Yes."""
        lasts = ask.body.get("for")
        found = self.requests.approve(
            ask.path["request"], by=actor(ask), lasts=LASTS if lasts is None else parse_duration(lasts),
            note=_text(ask.body.get("note")),
        )  # fmt: skip
        return self._shape(found, ask)

    def deny(self, ask: Ask) -> dict[str, Any]:
        """No."""
        found = self.requests.deny(ask.path["request"], by=actor(ask), note=_text(ask.body.get("note")))
        return self._shape(found, ask)

    def cancel(self, ask: Ask) -> dict[str, Any]:
        """Not any more."""
        return self._shape(self.requests.cancel(ask.path["request"], by=actor(ask)), ask)

    def _deciders(self, ask: Ask) -> Collection[str]:
        return self.requests.may(self.requests.find(ask.path["request"]))

    def _who(self, ask: Ask) -> str:
        """Who may, for somebody who may not; "" if it is their role that is missing."""
        found = self.requests.find(ask.path["request"])
        may = others(found, self.requests.may(found))
        if not may or ask.operator.person in may:
            return ""
        return f"{' or '.join(may)} may, with a token of the role owner or reviewer"

    def _concerned(self, ask: Ask) -> Collection[str]:
        found = self.requests.find(ask.path["request"])
        return (*self.requests.may(found), found.asker)

    def _whole(self, found: AccessRequest, ask: Ask) -> dict[str, Any]:
        may = self.requests.may(found)
        person = ask.operator.person
        shown = self.requests.arguments(found) if person in may or person == found.asker else None
        # As text: no reader of JSON may round what a person decides about.
        text = None if shown is None else encode(shown).decode("utf-8")
        return {**self._shape(found, ask), "may_decide": list(others(found, may)), "arguments": text}

    def _why(self, it: AccessRequest, ask: Ask) -> str | None:
        """What the asker wrote, which may say what an agent works on: for who reads its decisions, or is concerned."""
        person, agents = ask.operator.person, (it.agent, it.principal)
        if not it.why or person == it.asker:
            return it.why or None
        owners = {name for agent in agents for name in self.accountable.for_agent(agent)}
        seen = self.authority.allows(ask.operator, "readDecisions", owners=owners) or person in self.requests.may(it)
        return it.why if seen else None

    def _shape(self, it: AccessRequest, ask: Ask) -> dict[str, Any]:
        used = self.requests.used_by(it.request) if it.approval else ""
        return {
            "request": it.request, "state": it.state.value, "agent": it.agent, "acts_for": it.principal,
            "purpose": it.purpose, "action": it.action, "code": it.code, "asker": it.asker, "why": self._why(it, ask),
            "asked": rfc3339(it.asked), "open_until": rfc3339(it.open_until), "yes": list(it.yes),
            "quorum": it.approvers.quorum, "by": list(it.approvers.by),
            "decided": None if it.decided is None else rfc3339(it.decided), "decided_by": it.decided_by or None,
            "note": it.note or None, "approval": it.approval or None,
            "approved_until": rfc3339(it.until) if it.approval else None, "used_by": used or None,
        }  # fmt: skip


def _text(value: str | None) -> str:
    if value is not None and len(value) > _MOST_TEXT:
        raise Malformed(f"at most {_MOST_TEXT} characters are expected")
    return value or ""
