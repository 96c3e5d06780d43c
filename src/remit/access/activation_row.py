"""An activation as it is stored, and back (pure)."""

from __future__ import annotations

from sys import intern
from typing import Any

import msgspec

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.kernel.canonical import canonical
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.storage.model import ActivationRow


def row_of(activation: Activation, *, due: int) -> ActivationRow:
    """How `activation` is stored; `due` is when its verdict may change by itself."""
    said = {
        "boundary": activation.boundary,
        "boundary_version": activation.boundary_version,
        "agent_version": activation.agent_version,
        "state": activation.state.value,
        "since": activation.since,
        "started": activation.started,
        "by": activation.by,
    }
    usage = activation.usage
    return ActivationRow(
        serial=activation.serial,
        body=canonical(said).decode("utf-8"),
        due=due,
        last=usage.last,
        covered=usage.covered,
        days=usage.days,
        gaps=gaps_text(usage),
    )


def gaps_text(usage: Usage) -> str:
    """The gaps as the column holds them."""
    return ",".join(map(str, usage.gaps))


def activation_of(row: Any) -> Activation:  # noqa: ANN401 - a row of the table
    """What `row_of` stored. There may be a million in memory, so equal names are one object."""
    said = msgspec.json.decode(row.body)
    since, started = said["since"], said["started"]
    return Activation(
        key=ActivationKey(
            AgentName(intern(row.agent)),
            PurposeName(intern(row.purpose)),
            ActionName(intern(row.action)),
            intern(row.scope),
        ),
        boundary=BoundaryName(intern(said["boundary"])),
        boundary_version=said["boundary_version"],
        agent_version=intern(said["agent_version"]),
        state=ActivationState(said["state"]),
        since=since,
        started=since if started == since else started,
        by=intern(said["by"]),
        serial=row.serial,
        usage=Usage(row.last, row.covered, row.days, tuple(map(int, row.gaps.split(","))) if row.gaps else ()),
    )
