"""A server whose record of use is not believed for the time being: its idle clocks stand still (pure).

A feed that is broken and claims that nothing was used would withdraw everything at once. So a run
that would withdraw more than a few stops, and a person says whether the record is to be believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remit.kernel.clock import Instant, Micros


class DoubtState(StrEnum):
    """doubted: of all agents. canary: believed again of a few, who show whether that is right. over: of all."""

    DOUBTED = "doubted"
    CANARY = "canary"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Since when a server's record of use is not believed, and of whom it is again."""

    server: str
    agent: str  # "" for the record of every agent
    since: Instant  # the last moment at which it was believed
    covered: Micros  # the coverage clock at that moment
    state: DoubtState
    moved: Instant  # when the state began
    canary: tuple[str, ...] = ()  # agents

    @property
    def name(self) -> str:
        """How people name it: the server, or the server and the agent."""
        return f"{self.server} {self.agent}" if self.agent else self.server

    def holds(self, agent: str) -> bool:
        """Whether it stops the idle clocks of `agent`."""
        if self.state is DoubtState.OVER or self.agent not in {"", agent}:
            return False
        return self.state is DoubtState.DOUBTED or agent not in self.canary
