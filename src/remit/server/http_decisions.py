"""`/v1/can` and `/v1/decisions`: what would be answered, and what was answered and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from remit.audit.log import Log, Recorded
from remit.kernel.canonical import parse
from remit.kernel.errors import NotFound
from remit.kernel.names import split_action
from remit.policy.service import PolicyService
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door
from remit.server.reasons import reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Dry runs, and the record of decisions, over HTTP."""

    policy: PolicyService
    log: Log
    accountable: Accountable

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="POST",
                path="/v1/can",
                summary="What the answer to an agent's call would be",
                action="ask",
                handle=self.can,
                body="json",
                fields={"agent": "string", "action": "string", "purpose": "string?", "arguments": "object?"},
                owners=lambda ask: self.accountable.for_agent(ask.body["agent"]),
            ),
            Door(
                method="GET",
                path="/v1/decisions/{id}",
                summary="One decision: what was asked, what decided it, what became of it",
                action="readDecisions",
                handle=self.why,
                owners=self._owners,
            ),
        ]

    def can(self, ask: Ask) -> dict[str, Any]:
        """Decide without recording."""
        body = ask.body
        split_action(body["action"])
        return self.policy.can(body["agent"], body.get("purpose"), body["action"], body.get("arguments"))

    def why(self, ask: Ask) -> dict[str, Any]:
        """One decision, its payload opened."""
        found = self._decision(ask.path["id"])
        return explained(found, self.log.outcome_of(ask.path["id"])) | reasons(found, self.policy)

    def _decision(self, id: str) -> Recorded:  # noqa: A002 - what it is
        found = self.log.find(id)
        if found.header["kind"] != "decision":
            raise NotFound("there is no such decision", try_="remit audit tail")
        return found

    def _owners(self, ask: Ask) -> Collection[str]:
        return self.accountable.for_agent(str(self._decision(ask.path["id"]).header.get("agent", "")))


def explained(found: Recorded, outcome: dict[str, Any] | None) -> dict[str, Any]:
    """A decision as `remit why` tells it."""
    header, payload = found.header, found.payload
    opened = payload if isinstance(payload, dict) else {}
    allowed = header["decision"] == "allow"
    arguments = opened.get("arguments")
    return {
        "decision_id": header["id"],
        "decision": allowed,
        **({"would_deny": True} if header["decision"] == "would_deny" else {}),
        **{name: header.get(name) for name in _COPIED},
        "arguments": "erased" if payload == "erased" else None if arguments is None else parse(arguments),
        "named": opened.get("named") or header.get("named", []),
        "facts": opened.get("facts", {}),
        "denial": None if allowed else _denial(header, opened),
        "outcome": None if outcome is None else {"outcome": outcome["outcome"], "time": outcome["time"]},
        "index": found.index,
        "header": header,
    }


_COPIED = (
    "time", "epoch", "agent", "instance", "run", "purpose", "server", "action", "boundary", "boundary_version",
    "subject", "resource",
)  # fmt: skip


def _denial(header: dict[str, Any], opened: dict[str, Any]) -> dict[str, Any]:
    said = opened.get("denial", {})
    public = {name: header.get(name) for name in ("code", "step", "policy") if header.get(name) is not None}
    return {**public, **{name: value for name, value in said.items() if value is not None}}
