"""`/v1/consents`: what people let clients do as their agents; and the pages on which they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from remit.console.consent import ConsentPages
from remit.console.sessions import Sessions
from remit.kernel.clock import Clock, rfc3339
from remit.people.change import Actor
from remit.people.consent import Consent
from remit.server.consenting import Consenting
from remit.server.door import Ask, Door, actor
from remit.server.operators import Authority, Operator

_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDoors:
    """Lists and withdraws; the pages do the same, and ask."""

    consenting: Consenting
    sessions: Sessions
    authority: Authority
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/consents", summary="List what people let clients do as their agents",
                action="read", handle=self.listing, query=("person", "limit"),
            ),
            Door(
                method="POST", path="/v1/consents/{consent}/withdraw",
                summary="Withdraw a consent; every token under it ends at once", action="withdrawConsent",
                handle=self.withdraw, body="json", fields={}, owners=self.owners,
            ),
        ]  # fmt: skip

    def listing(self, ask: Ask) -> dict[str, Any]:
        """The newest; with `person`, theirs."""
        limit = ask.number("limit", default=100, most=_MOST)
        found = self.consenting.consents.listing(person=ask.query.get("person"), most=limit)
        return {"consents": [self._body(each) for each in found]}

    def owners(self, ask: Ask) -> frozenset[str]:
        """Who may withdraw it: who gave it, and who answers for the agent."""
        return self._owners(ask.path["consent"])

    def withdraw(self, ask: Ask) -> dict[str, Any]:
        """End one."""
        return self._body(self.consenting.consents.withdraw(ask.path["consent"], by=actor(ask)))

    def routes(self) -> list[Route]:
        """The pages."""
        return ConsentPages(
            sessions=self.sessions, authorizing=self.consenting.authorizing, consents=self.consenting.consents,
            actor=_actor, may=self._may, withdraw=self._withdraw, clock=self.clock,
        ).routes()  # fmt: skip

    def _may(self, operator: Operator, agent: str) -> bool:
        return self.authority.allows(operator, "consent", owners=self.consenting.people.answering(agent))

    def _withdraw(self, operator: Operator, consent: str) -> None:
        self.authority.require(operator, "withdrawConsent", owners=self._owners(consent))
        self.consenting.consents.withdraw(consent, by=_actor(operator))

    def _owners(self, consent: str) -> frozenset[str]:
        found = self.consenting.consents.get(consent)
        return self.consenting.people.answering(found.agent) | {found.person}

    def _body(self, consent: Consent) -> dict[str, Any]:
        return {
            "consent": consent.consent,
            "person": consent.person,
            "agent": consent.agent,
            "client": consent.client,
            "client_name": consent.name,
            "purpose": consent.purpose,
            "resources": list(consent.resources),
            "given": rfc3339(consent.given),
            "until": rfc3339(consent.until),
            "state": consent.state.value,
            "live": consent.live(self.clock.now()),
        }


def _actor(operator: Operator) -> Actor:
    return actor(Ask(operator=operator, path={}))
