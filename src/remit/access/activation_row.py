"""An activation as it is stored, and back (pure)."""

from __future__ import annotations

from typing import Any

import msgspec

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.kernel.canonical import canonical
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
    """What `row_of` stored."""
    said = msgspec.json.decode(row.body)
    return Activation(
        key=ActivationKey(row.agent, row.purpose, row.action, row.scope),
        boundary=said["boundary"],
        boundary_version=said["boundary_version"],
        agent_version=said["agent_version"],
        state=ActivationState(said["state"]),
        since=said["since"],
        started=said["started"],
        by=said["by"],
        serial=row.serial,
        usage=Usage(row.last, row.covered, row.days, tuple(map(int, row.gaps.split(","))) if row.gaps else ()),
    )
