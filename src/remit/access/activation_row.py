"""An activation as it is stored, and back (pure)."""

from __future__ import annotations

from sys import intern
from typing import Any

import msgspec

from remit.access.activation import Activation, ActivationKey, ActivationState, Under, Usage
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, PurposeName
from remit.storage.model import ActivationRow


class _Said(msgspec.Struct):
    """The body of a row. Typed, because what is stored may have been changed by somebody else."""

    boundary: str
    boundary_version: int
    agent_version: str
    state: ActivationState
    since: int
    started: int
    by: str
    why: str = ""
    cycles: tuple[int, ...] = ()
    vouched: int = 0
    covers: tuple[str, ...] = ()
    looked: int = 0
    under: tuple[ActivationState, str, int] | None = None
    unsure: int = 0


_said = msgspec.json.Decoder(_Said).decode


def row_of(activation: Activation, *, due: int) -> ActivationRow:
    """How `activation` is stored; `due` is when its verdict may change by itself."""
    said: dict[str, Any] = {
        "boundary": activation.boundary,
        "boundary_version": activation.boundary_version,
        "agent_version": activation.agent_version,
        "state": activation.state.value,
        "since": activation.since,
        "started": activation.started,
        "by": activation.by,
    }
    # There may be a million: what is not said is not there.
    if activation.why:
        said["why"] = activation.why
    if activation.cycles:
        said["cycles"] = list(activation.cycles)
    if activation.vouched:
        said["vouched"] = activation.vouched
    if activation.covers:
        said["covers"] = list(activation.covers)
    if activation.looked:
        said["looked"] = activation.looked
    if activation.under is not None:
        said["under"] = list(activation.under)
    if activation.unsure:
        said["unsure"] = activation.unsure
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
    """What `row_of` stored. There may be a million in memory, so equal names are one object.

    Raises:
        ValueError, TypeError, msgspec.DecodeError: It is nothing that `row_of` made.
    """
    said = _said(row.body)
    since = Instant(said.since)
    serial, last, covered, days = msgspec.convert(
        (row.serial, row.last, row.covered, row.days), tuple[int, int, int, int]
    )
    return Activation(
        key=ActivationKey(
            AgentName(intern(row.agent)),
            PurposeName(intern(row.purpose)),
            ActionName(intern(row.action)),
            intern(row.scope),
        ),
        boundary=BoundaryName(intern(said.boundary)),
        boundary_version=said.boundary_version,
        agent_version=intern(said.agent_version),
        state=said.state,
        since=since,
        started=since if said.started == since else Instant(said.started),
        by=intern(said.by),
        serial=serial,
        usage=Usage(Instant(last), Micros(covered), days, _gaps(row.gaps)),
        why=intern(said.why),
        cycles=said.cycles,
        vouched=Instant(said.vouched),
        covers=said.covers,
        looked=Instant(said.looked),
        under=None if said.under is None else Under(said.under[0], intern(said.under[1]), Instant(said.under[2])),
        unsure=Instant(said.unsure),
    )


def suspended(row: Any) -> Activation:  # noqa: ANN401 - a row of the table
    """What stands for a row that cannot be read: only a person starts it again, so that damage takes nobody's place."""
    return Activation(
        key=ActivationKey(AgentName(row.agent), PurposeName(row.purpose), ActionName(row.action), row.scope),
        boundary=BoundaryName(""),
        boundary_version=0,
        agent_version="",
        state=ActivationState.SUSPENDED,
        since=Instant(0),
        started=Instant(0),
        by="",
        serial=row.serial if isinstance(row.serial, int) else 1,
        usage=Usage(Instant(0), Micros(0)),
    )


def _gaps(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
