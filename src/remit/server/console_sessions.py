"""`/v1/console/sessions`: who is signed in to the console, seen and ended; `/v1/console/sign-in`: how people may."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from remit.console.provider import Provider
from remit.console.sessions import Session, Sessions
from remit.kernel.clock import rfc3339
from remit.kernel.errors import NotFound
from remit.server.door import Ask, Door


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDoors:
    """The sessions of this node. `failure`: why the provider could not be asked the last time; empty if it could."""

    sessions: Sessions
    provider: Provider | None
    failure: Callable[[], str] = str

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/console/sessions", summary="List one's own sessions of the console",
                action="read", handle=self.listing,
            ),
            Door(
                method="DELETE", path="/v1/console/sessions/{id}",
                summary="End a session of the console, with effect before this answers", action="revokeToken",
                handle=self.end, owners=self._people,
            ),
            Door(
                method="GET", path="/v1/console/sign-in", summary="Say how people may sign in to the console",
                action="read", handle=self.ways,
            ),
        ]  # fmt: skip

    def listing(self, ask: Ask) -> dict[str, Any]:
        """Those that are open, the newest first."""
        return {"sessions": [_body(each) for each in self.sessions.listing(ask.operator.person)]}

    def end(self, ask: Ask) -> dict[str, Any]:
        """End one."""
        ended = self.sessions.end_where(lambda each: each.id == ask.path["id"])
        if not ended:
            raise NotFound("there is no such session", try_="it may have ended by itself")
        return {"ended": [_body(each) for each in ended]}

    def ways(self, _ask: Ask) -> dict[str, Any]:
        """The provider, and who is who there; never the client's secret."""
        provider = self.provider
        if provider is None:
            return {"link": True, "provider": None}
        people = "registered" if provider.people is None else dict(provider.people)
        return {
            "link": True,
            "provider": {
                "name": provider.name, "issuer": provider.issuer, "client_id": provider.client_id,
                "algorithms": list(provider.algorithms), "scope": provider.scope, "person": provider.person,
                "people": people, "roles": {"claim": provider.role_claim, "values": dict(provider.roles)},
                "failure": self.failure(),
            },
        }  # fmt: skip

    def _people(self, ask: Ask) -> Collection[str]:
        found = self.sessions.called(ask.path["id"])
        return () if found is None else (found.operator.person,)


def _body(session: Session) -> dict[str, Any]:
    return {
        "session": session.id, "person": session.operator.person, "roles": sorted(session.operator.roles),
        "how": session.how, "since": rfc3339(session.since), "seen": rfc3339(session.seen),
        "authenticated": rfc3339(session.authenticated) if session.authenticated else None,
        "ends": rfc3339(session.ends),
    }  # fmt: skip
