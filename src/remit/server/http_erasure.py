"""`/v1/agents/NAME/erase`: what was recorded about a retired agent is made unreadable, by two people.

The log stays whole and verifies: its headers (who called what, when, and how it was decided) are no secret and stay.
What only holders of the agent's data key could read goes with the key: arguments, the facts that decisions were made
on, and the arguments of what people were asked. Why it asked, in its own words, goes with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.agents.service import AgentService, check_erase
from remit.kernel.clock import Instant
from remit.requests.service import RequestService
from remit.server import shapes
from remit.server.door import Ask, Door, actor
from remit.server.seconding import Seconding
from remit.storage.ports import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Erasing over HTTP."""

    agents: AgentService
    requests: RequestService
    seconding: Seconding

    def doors(self) -> list[Door]:
        """The door of this part of the API."""
        return [
            Door(
                method="POST",
                path="/v1/agents/{name}/erase",
                summary="Make what was recorded about a retired agent unreadable for ever; takes two people",
                action="eraseAgent",
                handle=self.erase,
                body="json",
            )
        ]

    def erase(self, ask: Ask) -> dict[str, Any]:
        """Erase, or say the first of two words."""
        agent = self.agents.agent(ask.path["name"])
        check_erase(agent)  # also for the first person: nobody is to second what cannot be done

        def carry(tx: Transaction, _now: Instant, more: Mapping[str, str]) -> list[dict[str, Any]]:
            erased = self.agents.erase_within(tx, agent.agent, by=actor(ask), more=more)
            self.requests.erase_within(tx, agent.agent, by=actor(ask))
            return [shapes.agent(erased)]

        return self.seconding.by_two(ask, f"erase {agent.agent}", carry)
