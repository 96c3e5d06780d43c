"""What an entitlement is judged in, read from the view (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.access.activation import Activation, ActivationKey
from remit.access.codec import rules_text
from remit.agents.model import AgentState
from remit.certification.replaying.reading import rules_digest
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


def rules_read(view: View, key: ActivationKey, *, now: Instant) -> dict[str, str]:
    """The boundaries in force for the purpose of an entitlement, as `NAME@VERSION`, and the digest of their rules.

    All of them: what one says that it needs, another may grant.
    """
    agent = view.agents.get(key.agent)
    mine = () if agent is None else agent.boundaries
    return {
        f"{each.boundary}@{each.version}": rules_digest(rules_text(each.rules))
        for each in mine
        if each.purpose == key.purpose and not each.break_glass and now < each.not_after
    }


def shown(activation: Activation) -> Mapping[str, Any]:
    """The key of an activation, as notices and answers carry it."""
    key = activation.key
    return {"activation": activation.id, "agent": key.agent, "purpose": key.purpose, "action": key.action}
