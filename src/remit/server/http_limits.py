"""`/v1/agents/{name}/limits`: what bounds an agent's calls beside their arguments, and how much of it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from remit.agents.service import AgentService
from remit.kernel.clock import Clock
from remit.policy.counts import held
from remit.policy.limits_told import counted, told
from remit.policy.view import View
from remit.server.door import Ask, Door
from remit.storage.ports import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits over HTTP."""

    agents: AgentService
    view: Callable[[], View]
    reader: Reader
    clock: Clock

    def doors(self) -> list[Door]:
        """The door of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/agents/{name}/limits", action="read", handle=self.list,
                summary="Rates, budgets, volumes and hours of an agent, and what all nodes counted of them",
            ),
        ]  # fmt: skip

    def list(self, ask: Ask) -> dict[str, Any]:
        """Of its boundaries in force, in the order of their names.

        What is used is what the database holds: the writer counts there for every node, and decides by it.
        """
        name, now = ask.path["name"], self.clock.now()
        record = self.view().agents.get(self.agents.agent(name).agent)
        boundaries = () if record is None else record.boundaries
        wanted = counted(boundaries, now=now)
        found = self.reader.read(lambda connection: held(connection, wanted)) if wanted else {}
        return {"agent": name, "limits": told(boundaries, lambda counter: found.get(counter, 0), now=now)}
