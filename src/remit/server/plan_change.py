"""One row of what `apply` would change, and what it takes to make it true. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remit.access.draft import History
from remit.access.propose import Step
from remit.server.plan_observed import Observed
from remit.server.plan_policies import Widening
from remit.server.plan_spread import Spread

PRUNED: Final = {
    "owner": "removed",
    "purpose": "closed",
    "secret": "forgotten",
    "server": "removed",
    "trust": "kept",
    "agent": "retired",
    "boundary": "revoked",
    "combination": "removed",
    "schema": "removed",
    "entities": "removed",
    "authzen": "removed",
    "policy": "removed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of a plan, and what it takes to make it true (`value`; None where nothing is written)."""

    kind: str
    name: str
    change: str  # create, update, unchanged, prune, widen, narrow
    state: str
    waits: bool = False
    note: str = ""
    value: Any = None
    widening: Widening | None = None  # of policies: what two people must say
    incidents: tuple[Mapping[str, Any], ...] = ()  # what the log says beside the change
    lowered: Mapping[str, str] = field(default_factory=dict)  # tools of a server whose tier is lower now
    observed: Observed | None = None  # of a server that comes under observe: what two people must say
    spread: Spread | None = None  # of a secret that may go further: what two people must say

    def row(self) -> dict[str, Any]:
        """As it is answered."""
        said = {"kind": self.kind, "name": self.name, "change": self.change, "state": self.state, "waits": self.waits}
        return said | ({"note": self.note} if self.note else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The steps of a boundary, each with the history it was decided on."""

    steps: tuple[tuple[Step, History], ...]


def changed(before: object, value: object) -> str:
    """The word for what becomes of something."""
    return "create" if before is None else "unchanged" if before == value else "update"
