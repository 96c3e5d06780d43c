"""What an entitlement is judged in, read from the view (pure): the same for a decision, a mandate and a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.judge import Verdict, judge, usable
from remit.agents.model import Agent
from remit.attestation.model import Caller
from remit.catalog.model import Tier
from remit.kernel.clock import Instant, Micros, window_start
from remit.kernel.names import ActionName, split_action
from remit.policy.entitlement import Beside, Holder, Setting, facts_of
from remit.policy.methods import target
from remit.policy.view import Grant, View


class Moment(msgspec.Struct, frozen=True):
    """When something is judged."""

    now: Instant
    covered: int  # the coverage clock
    opened: Instant | None = None  # when the run that calls began, or the oldest that is open for the purpose


def run_opened(caller: Caller, agent: Agent) -> Instant | None:
    """When the run of a call began: its token says when it ends, which is `max_run` later. None: of no run."""
    return Instant(caller.run_ends - agent.max_run) if caller.run_ends else None


def tier_of(view: View, action: str) -> Tier:
    """The risk tier of an action; what is not known is high."""
    tool = target(view.servers.get(split_action(action)[0]), action)
    return Tier.HIGH if tool is None else tool.tier


def live_grant(view: View, key: ActivationKey, *, now: Instant, prefer: str | None = None) -> Grant | None:
    """The rule of an ordinary boundary in force that names it: of several that of `prefer`, or else the first."""
    agent = view.agents.get(key.agent)
    found = () if agent is None else agent.reach.grants.get((key.purpose, key.action), ())
    live = [grant for grant in found if now < grant.boundary.not_after]
    return next((each for each in live if each.boundary.boundary == prefer), live[0] if live else None)


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
    if view.recorded is not None and view.recorded.around is not None:
        # A decision that is made again: use has changed since, and what it was is what counts.
        boundary, rule = (grant.boundary, grant.rule) if grant else (None, None)
        return Setting(tier=tier, boundary=boundary, rule=rule, holder=holder, opened=at.opened, **view.recorded.around)
    setting = _alone(view, key, tier=tier, grant=grant, holder=holder, at=at)
    agent = view.agents.get(key.agent)
    kin = None if agent is None else agent.reach.needs.get(key.purpose)
    if kin is None:
        return setting
    needed_by = _first(view, key, kin.needed_by.get(key.action, ()), setting, at, _in_force)
    severed_by = _first(view, key, kin.needs.get(key.action, ()), setting, at, _taken)
    return replace(setting, needed_by=needed_by, severed_by=severed_by)


def _in_force(found: Verdict, tier: Tier) -> bool:
    return usable(found.state, tier)


def _taken(found: Verdict, _tier: Tier) -> bool:
    """Whether it is suspended. It is judged alone, so for its own sake: never only because of what it needs."""
    return found.state is ActivationState.SUSPENDED


def _first(
    view: View,
    key: ActivationKey,
    actions: Iterable[ActionName],
    setting: Setting,
    at: Moment,
    so: Callable[[Verdict, Tier], bool],
) -> str:
    """The first of `actions` of the same agent and purpose of which `so` is true, judged for itself; or nothing."""
    for action in actions:
        other = ActivationKey(key.agent, key.purpose, action, split_action(action)[0])
        known, tier = view.activations.find(other), tier_of(view, action)
        if known is not None:
            grant = live_grant(view, other, now=at.now, prefer=known.boundary)
            alone = _alone(view, other, tier=tier, grant=grant, holder=setting.holder, at=at)
            if so(judge(facts_of(known, alone)), tier):
                return action
    return ""


def _alone(view: View, key: ActivationKey, *, tier: Tier, grant: Grant | None, holder: Holder, at: Moment) -> Setting:
    """The setting without what it depends on."""
    # An agent chooses what its runs do together, so that nothing critical lasts longer for it.
    others = [] if tier is Tier.CRITICAL else view.activations.together(key)
    covered, believed = _believed(view, key, at)
    return Setting(
        tier=tier,
        boundary=grant.boundary if grant else None,
        rule=grant.rule if grant else None,
        holder=holder,
        covered=covered,
        now=at.now,
        windows=view.coverage.get(key.scope),
        believed=believed,
        together=tuple([_beside(view, each, at) for each in others if each.usage.days]),
        woken=bool(others) and any(each.started >= window_start("hour", at.now) for each in others),
        opened=at.opened,
        clock=at.covered,
    )


def _beside(view: View, activation: Activation, at: Moment) -> Beside:
    """What is used together with another, on the record of its own server."""
    key, usage, started = activation.key, activation.usage, activation.started
    if usage.last < started:
        # It started again since its last use, and a start is no use: its clock is set back to that as far as it is
        # known, which is that the record was complete between them.
        usage = Usage(usage.last, Micros(usage.covered - (started - usage.last)), usage.days, usage.gaps)
    covered, believed = _believed(view, key, at)
    return Beside(key.action, usage, covered, view.coverage.get(key.scope), believed)


def _believed(view: View, key: ActivationKey, at: Moment) -> tuple[int, Instant | None]:
    """The coverage clock, and until when its server's record is believed (None: until now), where that is doubted."""
    doubts = view.doubts.get(key.scope)
    held = [doubt for doubt in doubts if doubt.holds(key.agent)] if doubts else ()
    if not held:
        return at.covered, None
    return min(at.covered, *(doubt.covered for doubt in held)), min(doubt.since for doubt in held)
