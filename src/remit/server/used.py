"""What an agent used, read from the log: calls that were allowed and came to something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remit.audit.log import Log, Recorded
from remit.certification.rightsizing.proposal import Observed
from remit.kernel.canonical import parse
from remit.kernel.clock import parse_date_end
from remit.kernel.names import ActionName, AgentName, PurposeName, split_action

MOST_ENTRIES = 50_000  # of one agent, newest first


@dataclass(slots=True)
class Used:
    """The calls of one agent by the boundary that let each through. `whole`: no older entries were left out."""

    agent: AgentName
    most: int = MOST_ENTRIES
    entries: int = 0
    whole: bool = True
    oldest: str | None = None
    by_boundary: dict[str, list[Observed]] = field(default_factory=dict)
    _outcomes: dict[str, str] = field(default_factory=dict)

    def take(self, entry: Recorded) -> bool:
        """Note one entry, newest first; whether more are wanted. An outcome stands behind its decision, so it is
        met before it.
        """
        if self.entries == self.most:
            return False
        self.entries += 1
        header = entry.header
        self.oldest = header["time"]
        if header["kind"] == "outcome":
            self._outcomes[header["decision"]] = header["outcome"]
        elif header["kind"] == "decision" and self._counts(header):
            self.by_boundary.setdefault(header["boundary"], []).append(self._observed(entry))
        return True

    def _counts(self, header: Mapping[str, Any]) -> bool:
        """Only a tool's call that came to something is use: what fails justifies nothing, nor does the agent's word."""
        ended = self._outcomes.pop(header["id"], None)
        allowed = header["decision"] == "allow" and "boundary" in header and not header.get("cooperative")
        return allowed and ended == "ok" and split_action(header["action"])[2]

    def _observed(self, entry: Recorded) -> Observed:
        header = entry.header
        return Observed(
            agent=self.agent,
            purpose=PurposeName(header["purpose"]),
            action=ActionName(header["action"]),
            at=parse_date_end(header["time"]),
            arguments=_arguments(entry.payload),
        )


def used(log: Log, agent: AgentName, *, most: int = MOST_ENTRIES) -> Used:
    """Read the log back for one agent.

    Raises:
        IntegrityFailed: A payload is damaged.
    """
    found = Used(agent, most)
    found.whole = log.back(found.take, agent=agent)
    return found


def _arguments(payload: object) -> dict[str, Any] | None:
    """None where they are gone: erased, or never recorded."""
    text = payload.get("arguments") if isinstance(payload, dict) else None
    found = parse(text) if isinstance(text, str) else None
    return found if isinstance(found, dict) else None
