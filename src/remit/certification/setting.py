"""What an entitlement is judged in, read from the view (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.access.activation import Activation, ActivationKey
from remit.agents.model import AgentState
from remit.kernel.clock import Instant
from remit.policy.entitlement import Holder, Setting
from remit.policy.setting import Moment, live_grant, setting_in, tier_of
from remit.policy.view import View

_GONE = Holder(version="", state=AgentState.RETIRED.value, owner_active=False, risk=0)


def setting_of(
    view: View,
    key: ActivationKey,
    *,
    covered: int,
    now: Instant,
    prefer: str | None = None,
    opened: Instant | None = None,
) -> Setting:
    """The setting of one entitlement.

    `prefer` is the boundary it was started under, if that still names it; `opened` when the oldest run began that
    is open for its purpose.
    """
    at, agent = Moment(now, covered, opened), view.agents.get(key.agent)
    if agent is None:
        tier = tier_of(view, key.action)
        return setting_in(view, key, tier=tier, grant=None, holder=_GONE, at=at)
    owner = view.owners.get(agent.agent.owner)
    grant = live_grant(view, key, now=now, prefer=prefer)
    holder = agent.holder(owner_active=owner is not None and owner.active)
    return setting_in(view, key, tier=tier_of(view, key.action), grant=grant, holder=holder, at=at)


def shown(activation: Activation) -> Mapping[str, Any]:
    """The key of an activation, as notices and answers carry it."""
    key = activation.key
    return {"activation": activation.id, "agent": key.agent, "purpose": key.purpose, "action": key.action}
