"""What an entitlement is judged in, read from the view (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.access.activation import Activation, ActivationKey
from remit.agents.model import AgentState
from remit.catalog.model import Tier
from remit.kernel.clock import Instant
from remit.kernel.names import ServerName, ToolName, split_action
from remit.policy.entitlement import Holder, Setting
from remit.policy.setting import Moment, setting_in
from remit.policy.view import Grant, View

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
    live = [grant for grant in agent.reach.grants.get((key.purpose, key.action), ()) if now < grant.boundary.not_after]
    grant: Grant | None = next((each for each in live if each.boundary.boundary == prefer), live[0] if live else None)
    holder = agent.holder(owner_active=owner is not None and owner.active)
    return setting_in(view, key, tier=tier_of(view, key.action), grant=grant, holder=holder, at=at)


def tier_of(view: View, action: str) -> Tier:
    """The risk tier of a tool's action; what is not known is high."""
    server, name, is_tool = split_action(action)
    record = view.servers.get(ServerName(server))
    tool = record.tools.get(ToolName(name)) if record is not None and is_tool else None
    return Tier.HIGH if tool is None else tool.tier


def shown(activation: Activation) -> Mapping[str, Any]:
    """The key of an activation, as notices and answers carry it."""
    key = activation.key
    return {"activation": activation.id, "agent": key.agent, "purpose": key.purpose, "action": key.action}
