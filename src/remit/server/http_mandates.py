"""`/v1/agents/{name}/mandate`: an agent's mandate, as an operator reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.policy.mandates import Mandates
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateDoors:
    """Mandates over HTTP."""

    mandates: Mandates
    accountable: Accountable

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET",
                path="/v1/agents/{name}/mandate",
                summary="What an agent may do now for a purpose (?purpose=NAME)",
                action="ask",
                handle=self.mandate,
                query=("purpose",),
                owners=lambda ask: self.accountable.for_agent(ask.path["name"]),
            )
        ]

    def mandate(self, ask: Ask) -> dict[str, Any]:
        """The claims, without a signature: what only its agent is told under one."""
        return self.mandates.of_agent(ask.path["name"], ask.query.get("purpose"))
