"""`/v1/agents/{name}/signals`: what was noticed about an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remit.agents.risk import Risk
from remit.agents.service import AgentService
from remit.agents.signals import Signal
from remit.kernel.clock import rfc3339
from remit.kernel.errors import Malformed
from remit.server.accountable import Accountable
from remit.server.door import Ask, Door, actor

_MOST_ABOUT = 300
_SERIOUS = frozenset({Signal.CRITICAL.value, Signal.CREDENTIAL_EXPOSED.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Signals over HTTP."""

    agents: AgentService
    accountable: Accountable

    def doors(self) -> list[Door]:
        """The doors of this part of the API."""
        return [
            Door(
                method="GET", path="/v1/agents/{name}/signals", summary="What is known against an agent",
                action="read", handle=self.list,
            ),
            Door(
                method="POST", path="/v1/agents/{name}/signals",
                summary="Say that something was noticed about an agent, or that it is over",
                action=_action, handle=self.signal, body="json",
                fields={"signal": "string", "about": "string?", "on": "boolean?"},
                owners=lambda ask: self.accountable.for_agent(ask.path["name"]),
            ),
        ]  # fmt: skip

    def list(self, ask: Ask) -> dict[str, Any]:
        """The signals that are on, and the risk that they come to."""
        name = ask.path["name"]
        self.agents.agent(name)
        return _shape(name, self.agents.risk(name))

    def signal(self, ask: Ask) -> dict[str, Any]:
        """From the answer on, decisions read it."""
        body, name = ask.body, ask.path["name"]
        about = body.get("about", "")
        if len(about) > _MOST_ABOUT or not about.isprintable():
            raise Malformed(f"what it is about is at most {_MOST_ABOUT} printable characters")
        found = self.agents.signal(name, body["signal"], about=about, on=body.get("on", True), by=actor(ask))
        return _shape(name, found)


def _action(ask: Ask) -> str:
    """What stops an agent at once is ended by those who stop agents, and not by who answers for it."""
    over = ask.body.get("on", True) is False
    return "endSignal" if over and ask.body.get("signal") in _SERIOUS else "setRisk"


def _shape(name: str, risk: Risk) -> dict[str, Any]:
    noticed = [
        {"signal": each.signal.value, "about": each.about, "since": rfc3339(each.since)} for each in risk.noticed
    ]
    return {"agent": name, "risk": risk.value, "said": risk.said, "signals": noticed}
