"""What a batch of events adds to what is known (pure).

Events may come late, twice and in any order, and the same set of them comes to the same record.
What is refused is refused by itself; the rest is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from remit.agents.signals import Signal
from remit.certification.usage.days import UseDay, added_up, day_of
from remit.certification.usage.model import CALLS, HISTORY, OLDEST, SKEW, Kind, RefusedLine, UsageEvent
from remit.certification.usage.windows import Span
from remit.kernel.clock import Instant
from remit.kernel.names import split_action

_OF_ACTIONS: Final = frozenset({Signal.PEER_OUTLIER, Signal.KEEP_ALIVE, Signal.TOXIC_COMBINATION})  # about an action
UNKNOWN_AGENT: Final = "the agent {} is not registered"


class Line(NamedTuple):
    """An event, and the number of the line that it stood on."""

    line: int
    event: UsageEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before a batch.

    Args:
        agents: The names that are registered.
        purposes: The purposes for which a boundary in force lets an agent do an action.
        stored: Of the batch's ids, those that are stored, with their events.
        servers: Whose use the source tells of.
        holds: Of which servers a boundary in force lets an agent use something.
    """

    agents: Container[str]
    purposes: Callable[[str, str], Sequence[str]]
    stored: Mapping[str, UsageEvent]
    servers: Container[str]
    holds: Callable[[str], Iterable[str]]


@dataclass(slots=True)
class Taken:
    """What comes of a batch."""

    rows: list[UsageEvent] = field(default_factory=list)  # new
    days: list[UseDay] = field(default_factory=list)  # what they add, one for each key
    told: dict[int, int] = field(default_factory=dict)  # numbers that are not missing any more, and when that was
    claims: list[Span] = field(default_factory=list)  # windows in which the source told everything
    duplicates: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)  # agents that are not registered: refused events
    unattributed: Counter[tuple[str, str]] = field(default_factory=Counter)  # (agent, action) without a purpose


def take(lines: Iterable[Line], known: Known, *, now: Instant) -> Taken:
    """Sort one batch of one source into what is new, what was known, and what is refused."""
    found, days = Taken(), list[UseDay]()
    fresh: dict[str, UsageEvent] = {}
    for line, event in lines:
        before = known.stored.get(event.id) or fresh.get(event.id)
        if before is not None:
            _again(found, line, before, event)
        elif (refused := _refusal(line, event, known, now)) is not None:
            _refuse(found, event, refused)
        else:
            fresh[event.id] = event
            days += _taken(found, event, known)
    found.days = added_up(days)
    return found


def _again(found: Taken, line: int, before: UsageEvent, event: UsageEvent) -> None:
    if before == event:
        found.duplicates += 1
    else:
        # The record is append-only: what was taken first stands, and that two things were said is told.
        found.refused.append(RefusedLine(line, f"another event has the id {event.id} already", told=True))


def _refusal(line: int, event: UsageEvent, known: Known, now: Instant) -> RefusedLine | None:
    start, until = span_of(event) if event.kind is Kind.COVERAGE else (event.at, event.at)
    if event.kind in HISTORY:
        return RefusedLine(line, f"a line of kind {event.kind} is for a history: a running Remit has that itself")
    if max(until, event.at) > now + SKEW:
        # It is not known when it happened, so its number stays missing.
        return RefusedLine(line, "in the future by more than 5 minutes")
    if min(start, event.at) < now - OLDEST:
        return RefusedLine(line, "older than 400 days", told=True)
    if event.agent and event.agent not in known.agents:
        return RefusedLine(line, UNKNOWN_AGENT.format(event.agent), told=True)
    server = split_action(event.action)[0] if event.action else ""
    if server and server not in known.servers:
        # Else whoever may write one server's record keeps entitlements to all others in force.
        return RefusedLine(line, f"this source does not tell of the use of {server}", told=True)
    return _foreign(line, event, known) if event.kind is Kind.SIGNAL else None


def _foreign(line: int, event: UsageEvent, known: Known) -> RefusedLine | None:
    """A signal about what is none of the source's business: it stops an agent, or asks a person.

    That something is over may always be said: it ends only what the same source raised.
    """
    said = msgspec.json.decode(event.body)
    if not said["on"]:
        return None
    if not any(server in known.servers for server in known.holds(event.agent)):
        return RefusedLine(line, f"{event.agent} may use nothing of the servers that this source tells of", told=True)
    # `ACTION`, or `PURPOSE ACTION`; after its server an action may hold spaces.
    action = next((word for word in said["about"].split() if "/" in word or ":" in word), "")
    if said["signal"] in _OF_ACTIONS and action and split_action(action)[0] not in known.servers:
        return RefusedLine(line, f"this source does not tell of what the signal is about: {action}"[:200], told=True)
    return None


def _refuse(found: Taken, event: UsageEvent, refused: RefusedLine) -> None:
    found.refused.append(refused)
    if refused.told:
        _number(found, event)
        if refused.reason == UNKNOWN_AGENT.format(event.agent):
            found.unknown[event.agent] += 1


def _number(found: Taken, event: UsageEvent) -> None:
    if (number := event.seq) is not None:
        found.told.setdefault(number, event.at)


def _taken(found: Taken, event: UsageEvent, known: Known) -> list[UseDay]:
    found.rows.append(event)
    _number(found, event)
    if event.kind is Kind.COVERAGE:
        found.claims.append(span_of(event))
    if event.kind not in CALLS:
        return []
    purpose = event.purpose or _only(known.purposes(event.agent, event.action))
    if not purpose:
        found.unattributed[event.agent, event.action] += 1
    return [day_of(event, purpose)]


def _only(purposes: Sequence[str]) -> str:
    """The purpose, if there is but one: to guess would give somebody else's use to an entitlement."""
    return purposes[0] if len(purposes) == 1 else ""


def span_of(event: UsageEvent) -> Span:
    """The window of a `coverage` event."""
    said = msgspec.json.decode(event.body)
    return said["from"], said["to"]


def newest_signals(events: Iterable[UsageEvent]) -> dict[tuple[str, str, str], UsageEvent]:
    """By agent, signal and what it is about: the newest word, whatever order they came in."""
    found: dict[tuple[str, str, str], UsageEvent] = {}
    for event in events:
        said = msgspec.json.decode(event.body)
        about = event.agent, said["signal"], said["about"]
        if about not in found or _order(found[about]) < _order(event):
            found[about] = event
    return found


def _order(event: UsageEvent) -> tuple[int, str, str]:
    return event.at, event.source, event.id
