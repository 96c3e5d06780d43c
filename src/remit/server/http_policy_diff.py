"""`POST /v1/policy/diff`: what a directory would let through that is stopped now. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from remit.access.draft import History
from remit.access.sql import SqlBoundaries
from remit.kernel.clock import Clock
from remit.kernel.names import BoundaryName
from remit.policy import comparing
from remit.policy.diff import boundary_row
from remit.policy.ports import Engine
from remit.policy.service import PolicyService
from remit.policy.sql import SqlPolicies
from remit.server import policy_diff
from remit.server.door import Ask, Door
from remit.storage.ports import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDiff:
    """The comparison over HTTP."""

    policy: PolicyService
    engine: Engine
    reader: Reader
    clock: Clock

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST",
                path="/v1/policy/diff",
                summary="What policies and boundaries would let through that is stopped now, with calls that show it",
                action="plan",
                handle=self.diff,
                body="json",
                fields={"documents": "array", "prune": "boolean?"},
            )
        ]

    def diff(self, ask: Ask) -> dict[str, Any]:
        """Compare with what is in force."""
        new, prune = policy_diff.side(ask.body["documents"]), bool(ask.body.get("prune"))
        view = self.policy.view()
        ground = comparing.Ground(
            engine=self.engine,
            servers={str(name): each for name, each in view.servers.items()},
            now=self.clock.now(),
            view=view,
            prepare=self.policy.prepare,
        )

        def query(connection: Connection) -> tuple[dict[str, str], dict[str, History], list[BoundaryName]]:
            versions = SqlBoundaries(connection)
            history = {name: versions.history(BoundaryName(name)) for name in new.drafts}
            return SqlPolicies(connection).all(), history, versions.open_names()

        stored, history, names = self.reader.read(query)
        # Trying calls takes seconds, and reads what their agents have: no connection is held meanwhile.
        rows = comparing.rows(stored, new.files if prune else stored | dict(new.files), ground)
        rows += policy_diff.boundaries_in_force(new, history.__getitem__, view.server, ground, view.organisation)
        if prune:
            gone = [name for name in names if name not in new.drafts]
            rows += [boundary_row(name, "prune", (), None, file="", line=0) for name in gone]
        return policy_diff.told(rows, against="in force")
