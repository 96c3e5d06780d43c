"""Consents: what a person let a client do as an agent, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remit.kernel.clock import DAY, SECOND, Instant
from remit.kernel.names import AgentName, OwnerName, PurposeName

LONGEST = 90 * DAY  # a person who consents again says that it is still meant


class ConsentState(StrEnum):
    """Given, until it ends by itself; or withdrawn, for ever."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A person's word that a client may act as an agent, for one purpose, at these resources, until then.

    It grants nothing that the agent has not: its boundaries, activations and limits hold as for any call of its own.
    """

    consent: str  # con_...
    person: OwnerName
    agent: AgentName
    client: str  # its client_id
    purpose: PurposeName
    resources: tuple[str, ...]
    given: Instant
    until: Instant
    state: ConsentState
    name: str = ""  # what the client called itself then

    def live(self, now: Instant) -> bool:
        """Whether it holds at `now`."""
        return self.state is ConsentState.GIVEN and now < self.until


def ends(now: Instant, *, agent_ends: Instant, purpose_ends: Instant) -> Instant:
    """When a consent that is given now ends, in whole seconds: with its agent, its purpose, or after 90 days."""
    end = min(now + LONGEST, agent_ends, purpose_ends)
    return Instant(end - end % SECOND)
