"""`/v1/agents/{name}/delegations`: who acts for an agent now, and for whom it acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.agents.service import AgentService
from remit.kernel.canonical import parse
from remit.kernel.clock import Clock, rfc3339
from remit.server.door import Ask, Door
from remit.storage.ports import Reader
from remit.tokens.delegations_sql import Delegation, SqlDelegations


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegations:
    """Delegations over HTTP."""

    agents: AgentService
    reader: Reader
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/agents/{name}/delegations",
                summary="Who acts for an agent now, and for whom it acts", action="read", handle=self.list,
            ),
        ]  # fmt: skip

    def list(self, ask: Ask) -> dict[str, Any]:
        """Those that are not over, the newest end first."""
        name, now = ask.path["name"], self.clock.now()
        self.agents.agent(name)
        found = self.reader.read(lambda connection: SqlDelegations(connection).of_agent(name, now))
        return {"agent": name, "delegations": [_shape(each) for each in found]}


def _shape(found: Delegation) -> dict[str, Any]:
    return {
        "delegation": found.delegation,
        "for": found.parent,
        "acts": found.child,
        "instance": found.instance,
        "purpose": found.purpose,
        "depth": found.depth,
        "allow": parse(found.allow) if found.allow else None,
        "run": found.run,
        "txn": found.txn,
        "ends": rfc3339(found.ends),
    }
