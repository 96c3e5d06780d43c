"""What an entitlement is judged in, read from the view (pure): the same for a decision, a mandate and a sweep."""

from __future__ import annotations

from dataclasses import dataclass, replace

from remit.access.activation import ActivationKey
from remit.agents.model import Agent
from remit.attestation.model import Caller
from remit.catalog.model import Tier
from remit.kernel.clock import Instant, window_start
from remit.policy.entitlement import Holder, Setting
from remit.policy.view import Grant, View


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is judged."""

    now: Instant
    covered: int  # the coverage clock
    opened: Instant | None = None  # when the run that calls began, or the oldest that is open for the purpose


def run_opened(caller: Caller, agent: Agent) -> Instant | None:
    """When the run of a call began: its token says when it ends, which is `max_run` later. None: of no run."""
    return Instant(caller.run_ends - agent.max_run) if caller.run_ends else None


def setting_in(
    view: View, key: ActivationKey, *, tier: Tier, grant: Grant | None, holder: Holder, at: Moment
) -> Setting:
    """The setting of one entitlement.

    Args:
        view: The facts. The agent's activations are loaded.
        key: The entitlement.
        tier: Of the action.
        grant: The rule of the boundary in force that names it, if one does.
        holder: What is asked of the agent.
        at: When.
    """
    server = key.scope
    # An agent chooses what its runs do together, so that nothing critical lasts longer for it.
    others = [] if tier is Tier.CRITICAL else view.activations.together(key)
    setting = Setting(
        tier=tier,
        boundary=grant.boundary if grant else None,
        rule=grant.rule if grant else None,
        holder=holder,
        covered=at.covered,
        now=at.now,
        windows=view.coverage.get(server),
        together=max((each.usage for each in others), key=lambda usage: usage.last, default=None),
        woken=any(each.started >= window_start("hour", at.now) for each in others),
        opened=at.opened,
    )
    held = [doubt for doubt in view.doubts.get(server, ()) if doubt.holds(key.agent)]
    if not held:
        return setting
    covered, believed = min(doubt.covered for doubt in held), min(doubt.since for doubt in held)
    return replace(setting, covered=min(setting.covered, covered), believed=believed)
