"""`/v1/owners`, `/v1/purposes`, `/v1/agents`, `/v1/boundaries`: what is registered, and who approved it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from remit.access.service import AccessService
from remit.agents.service import AgentService
from remit.people.service import PeopleService
from remit.server import shapes
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door, actor
from remit.server.operators import ADMIN, Authority

_MOST: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Owners, purposes, agents and boundaries over HTTP."""

    people: PeopleService
    agents: AgentService
    access: AccessService
    accountable: Accountable
    authority: Authority

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        found = [
            Door(method="GET", path="/v1/owners", summary="List owners", action="read", handle=self.owners),
            Door(method="GET", path="/v1/purposes", summary="List purposes", action="read", handle=self.purposes),
            Door(method="GET", path="/v1/agents", summary="List agents", action="read", handle=self.list_agents),
            Door(
                method="GET", path="/v1/agents/{name}", summary="Show an agent", action="read", handle=self.show_agent
            ),
            Door(
                method="GET",
                path="/v1/boundaries",
                summary="List boundaries, each in its newest version (?agent=NAME, ?waiting=true, ?limit=N)",
                action="read",
                handle=self.list_boundaries,
                query=("agent", "waiting", "limit"),
            ),
            Door(
                method="GET",
                path="/v1/boundaries/{name}",
                summary="Show every version of a boundary",
                action="read",
                handle=self.show_boundary,
            ),
            Door(
                method="POST",
                path="/v1/boundaries/{name}/approve",
                summary="Approve what waits of a boundary (or only if it is `version`), as its agent's owner or backup",
                action="approveBoundary",
                handle=self.approve,
                body="json",
                fields={"version": "integer?"},
                owners=self._boundary_owners,
            ),
            Door(
                method="POST",
                path="/v1/boundaries/{name}/decline",
                summary="Say no to the `version` of a boundary that waits, as its agent's owner or backup",
                action="approveBoundary",
                handle=self.decline,
                body="json",
                fields={"version": "integer"},
                owners=self._boundary_owners,
            ),
        ]
        return found + [self._state_door(verb) for verb in ("suspend", "resume", "retire")]

    def _state_door(self, verb: str) -> Door:
        return Door(
            method="POST",
            path=f"/v1/agents/{{name}}/{verb}",
            summary=f"{verb.capitalize()} an agent",
            action="setAgentState",
            handle={"suspend": self.suspend, "resume": self.resume, "retire": self.retire}[verb],
            body="json",
            owners=lambda ask: self.accountable.for_agent(ask.path["name"]),
        )

    def owners(self, _ask: Ask) -> dict[str, Any]:
        """Every owner."""
        return {"owners": [shapes.owner(each) for each in self.people.owners()]}

    def purposes(self, _ask: Ask) -> dict[str, Any]:
        """Every purpose."""
        return {"purposes": [shapes.purpose(each) for each in self.access.purposes()]}

    def list_agents(self, _ask: Ask) -> dict[str, Any]:
        """Every agent."""
        return {"agents": [shapes.agent(each) for each in self.agents.agents()]}

    def show_agent(self, ask: Ask) -> dict[str, Any]:
        """One agent with its boundaries."""
        agent = self.agents.agent(ask.path["name"])
        mine = [shapes.boundary(each) for each in self.access.boundaries(agent=agent.agent)]
        return {**shapes.agent(agent), "boundaries": mine}

    def suspend(self, ask: Ask) -> dict[str, Any]:
        """Suspend. Who may resume what others suspended takes over what an owner suspended, as with freezes."""
        name = ask.path["name"]
        over = self.accountable.for_agent(name) if self.authority.allows(ask.operator, "resumeOthers") else ()
        return shapes.agent(self.agents.suspend(name, by=actor(ask), over=over))

    def resume(self, ask: Ask) -> dict[str, Any]:
        """Resume. An owner resumes what an owner suspended."""
        name = ask.path["name"]
        owners = set(self.accountable.for_agent(name))

        def may_resume(by: str | None) -> None:
            if by not in owners - {ADMIN}:
                self.authority.require(ask.operator, "resumeOthers", owners=owners)

        return shapes.agent(self.agents.resume(name, by=actor(ask), may_resume=may_resume))

    def retire(self, ask: Ask) -> dict[str, Any]:
        """End an agent for ever."""
        return shapes.agent(self.agents.retire(ask.path["name"], by=actor(ask)))

    def list_boundaries(self, ask: Ask) -> dict[str, Any]:
        """The versions that are in force or wait."""
        found = self.access.boundaries(
            agent=ask.query.get("agent", ""), waiting=ask.query.get("waiting") == "true",
            most=ask.number("limit", default=0, most=_MOST) or None,
        )  # fmt: skip
        return {"boundaries": [shapes.boundary(each) for each in found]}

    def show_boundary(self, ask: Ask) -> dict[str, Any]:
        """Every version of one boundary, newest first, and what an approval would put in force."""
        name = ask.path["name"]
        versions, waiting = self.access.versions(name), self.access.waiting(name)
        waits = None if waiting is None else {**shapes.boundary_with_rules(waiting[0]), "widens": list(waiting[1])}
        return {
            "boundary": name,
            "versions": [shapes.boundary_with_rules(each) for each in versions],
            "waits": waits,
        }

    def approve(self, ask: Ask) -> dict[str, Any]:
        """Approve, as the person who asks; with a version, only what that person saw."""
        version = ask.body.get("version")
        return shapes.boundary_with_rules(self.access.approve(ask.path["name"], by=actor(ask), version=version))

    def decline(self, ask: Ask) -> dict[str, Any]:
        """Say no, as the person who asks."""
        found = self.access.decline(ask.path["name"], ask.body["version"], by=actor(ask))
        draft = found.draft
        return {
            "boundary": draft.boundary, "version": found.version, "agent": draft.agent, "purpose": draft.purpose,
            "state": found.state.value,
        }  # fmt: skip

    def _boundary_owners(self, ask: Ask) -> Collection[str]:
        return self.accountable.for_agent(self.access.versions(ask.path["name"])[0].agent)
