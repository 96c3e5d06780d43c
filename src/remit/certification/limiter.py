"""How much may lapse in a day before a person is asked (pure).

A feed that is broken and claims that nothing is used any more would withdraw everything. What it
cannot imitate is that habits rarely end together: so what is counted is the lapse of entitlements that
were ever used. One that never was lapses uncounted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from remit.access.activation import Activation, ActivationState

_OF_ALL_PERCENT: Final = 1
_OF_AGENT_PERCENT: Final = 5
LEAST_OF_ALL: Final = 10  # in a small estate one entitlement is more than a hundredth
LEAST_OF_AGENT: Final = 5
EVERYONE: Final = ""


class Place(NamedTuple):
    """Whose record of use is in doubt: a server's, of one agent or (EVERYONE) of all."""

    server: str
    agent: str


@dataclass(frozen=True, slots=True)
class Estate:
    """How many entitlements have been started: of all, and of the agents in question."""

    all: int
    of: Mapping[str, int]


def counted(before: Activation, after: Activation, reason: str) -> bool:
    """Whether a transition counts: the end of a habit for want of use."""
    return after.state is ActivationState.LAPSED and reason == "idle" and before.usage.days > 0


def too_many(lapses: Iterable[Place], estate: Estate) -> set[Place]:
    """Where more habits would have ended within a day than may, given (server, agent) of each of them.

    Where a server's whole record is in doubt, its agents are not named one by one.
    """
    found = list(lapses)
    servers = Counter(each.server for each in found)
    most = max(LEAST_OF_ALL, estate.all * _OF_ALL_PERCENT // 100)
    wide = {server for server, count in servers.items() if count > most}
    agents = Counter(each for each in found if each.server not in wide)
    return {Place(server, EVERYONE) for server in wide} | {
        place
        for place, count in agents.items()
        if count > max(LEAST_OF_AGENT, estate.of.get(place.agent, 0) * _OF_AGENT_PERCENT // 100)
    }
