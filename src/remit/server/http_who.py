"""`POST /v1/who`: every agent that can do an action, and what is between the others and it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from remit.kernel.errors import Malformed
from remit.kernel.names import ActionName, OwnerName, split_action
from remit.people.succession import stand_ins
from remit.policy.service import PolicyService
from remit.policy.view import AgentRecord, View
from remit.policy.who import Standing
from remit.server.door import Ask, Door
from remit.server.operators import Authority

_PAGE: Final = 1000  # agents looked at for one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The question over HTTP. Whoever may not see all agents is told of those they answer for."""

    policy: PolicyService
    authority: Authority

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST",
                path="/v1/who",
                summary="Who can do an action: agents by name (after: the name to go on behind)",
                action="read",
                handle=self.who,
                body="json",
                fields={"action": "string", "arguments": "object?", "after": "string?", "limit": "integer?"},
            )
        ]

    def who(self, ask: Ask) -> dict[str, Any]:
        """One page: `looked` agents of `agents`, and `more`, the name to go on behind, or null."""
        body, view = ask.body, self.policy.view()
        action, limit = body["action"], body.get("limit") or _PAGE
        _, _, is_tool = split_action(action)
        if not is_tool or not 0 < limit <= _PAGE:
            raise Malformed(f"an action here is server/tool, and a limit 1 to {_PAGE}")
        names = self._seen(ask, view)
        page = list(islice((name for name in names if name > (body.get("after") or "")), limit))
        rows = [_row(each) for name in page for each in self._standings(view.agents[name], action, body)]
        more = page[-1] if page and page[-1] != names[-1] else None
        named = len({row["agent"] for row in rows})
        return {
            "action": action,
            "rows": rows,
            "without_boundary": len(page) - named,
            "looked": len(page),
            "agents": len(names),
            "more": more,
        }

    def _standings(self, record: AgentRecord, action: str, body: dict[str, Any]) -> Iterator[Standing]:
        named = {b.purpose for b in record.boundaries if ActionName(action) in b.rules}
        for purpose in sorted(named):
            yield self.policy.standing(record.agent.agent, purpose, action, body.get("arguments"))

    def _seen(self, ask: Ask, view: View) -> list[str]:
        """The agents that the operator is told of, by name: nothing, not even a name to go on behind, of others."""
        if self.authority.allows(ask.operator, "seeAccess"):
            return sorted(view.agents)
        owners = {record.agent.owner for record in view.agents.values()}
        mine = {name for name in owners if self.authority.allows(ask.operator, "seeAccess", owners=_people(view, name))}
        return sorted(name for name, record in view.agents.items() if record.agent.owner in mine)


def _people(view: View, name: OwnerName) -> set[str]:
    """An active owner, and the backups."""
    owner = view.owners.get(name)
    if owner is None:
        return set()
    return {*stand_ins(owner, view.owners.get), *([owner.owner] if owner.active else [])}


def _row(each: Standing) -> dict[str, Any]:
    call = each.call
    return {
        "agent": call.caller.agent,
        "purpose": call.caller.purpose,
        "access": each.access.value,
        "tier": each.tier,
        "boundary": each.boundary,
        "boundary_version": each.version,
        "code": each.code,
        "because": each.because,
        "arguments": dict(call.arguments or {}),
    }
