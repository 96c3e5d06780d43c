"""Where an agent stands as decisions see it: what it can use now, and for which purposes anything is left to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remit.access.activation import Activation, ActivationState
from remit.access.model import PurposeState
from remit.agents.model import AgentState
from remit.certification.posture.privilege import Reach, standings
from remit.certification.usage.coverage import CoverageClock
from remit.certification.withdrawal.ports import Standing
from remit.certification.withdrawal.withdraw import Entitlement
from remit.kernel.clock import Clock, Instant
from remit.kernel.names import PurposeName
from remit.policy.view import AgentRecord, View

_ENDED: Final = frozenset({ActivationState.SUSPENDED, ActivationState.LAPSED, ActivationState.REVOKED})
_NOTHING: Final = Standing(usable={}, left=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """Implements remit.certification.withdrawal.ports.Stands.

    Args of its making: the newest view; what loads an agent's activations into it; the coverage clock; time.
    """

    view: Callable[[], View]
    prepare: Callable[[str], None]
    coverage: CoverageClock
    clock: Clock

    def standing(self, agent: str) -> Standing:
        """Judge all of an agent's entitlements at this moment. Freezes do not count: they are lifted again."""
        self.prepare(agent)
        view, now = self.view(), self.clock.now()
        record = view.agents.get(agent)
        # A decision refuses these before it looks at any entitlement (design: steps 4 and 5 of a decision).
        if record is None or not _acts(view, record, now):
            return _NOTHING
        found = [
            each for each in standings(view, record, covered=self.coverage.covered(), now=now)
            if _covered(view, each.key.purpose, each.key.action, now)
        ]  # fmt: skip
        return Standing(
            usable={
                Entitlement(each.key.purpose, each.key.action, each.key.scope): _since(each.activation, now)
                for each in found
                if each.reach is Reach.DIRECT and each.activation is not None
            },
            left=frozenset(each.key.purpose for each in found if each.reach in {Reach.DIRECT, Reach.LATENT}),
        )


def _since(activation: Activation, now: Instant) -> Instant:
    """Since when it is usable. One that is recorded as ended and judged usable came back by itself just now."""
    return now if activation.state in _ENDED else max(activation.started, activation.since)


def _acts(view: View, record: AgentRecord, now: Instant) -> bool:
    agent, owner = record.agent, view.owners.get(record.agent.owner)
    return agent.state is AgentState.ACTIVE and now < agent.not_after and owner is not None and owner.active


def _covered(view: View, name: str, action: str, now: Instant) -> bool:
    record = view.purposes.get(PurposeName(name))
    if record is None:
        return False
    purpose = record.purpose
    return purpose.state is PurposeState.ACTIVE and now < purpose.not_after and record.covers(action)
