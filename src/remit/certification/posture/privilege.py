"""What an agent can do now, and what it could make itself able to do (pure).

Withdrawn is not gone: what comes back without a person is latent privilege, and is always
counted beside the direct privilege, never left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from remit.access.activation import Activation, ActivationKey, ActivationState
from remit.access.judge import judge, usable
from remit.access.reactivate import reactivate
from remit.access.ttl import ttl
from remit.access.weight import LEVELS
from remit.agents.model import AgentState
from remit.catalog.model import Tier
from remit.certification.setting import setting_of
from remit.kernel.clock import Instant
from remit.kernel.names import split_action
from remit.policy.entitlement import Setting, asked, facts_of
from remit.policy.view import AgentRecord, View

# How much one entitlement of a tier weighs when privilege is summed up.
WEIGHT: Final[Mapping[Tier, int]] = LEVELS


class Reach(StrEnum):
    """direct: usable now. latent: starts again without a person. person: only with one. none: not at all."""

    DIRECT = "direct"
    LATENT = "latent"
    PERSON = "person"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One entitlement that a boundary in force names, and where it stands. `activation` is None if never started."""

    key: ActivationKey
    boundary: str
    tier: Tier
    state: str  # a state of codes.md, or "new"
    reason: str
    reach: Reach
    activation: Activation | None
    left: int | None  # microseconds without use until it lapses
    idle: int = 0  # microseconds without use on a complete record; of one never used, since it was approved
    quiet: Reach = Reach.NONE  # its reach, were nothing noticed of its agent


def standings(view: View, agent: AgentRecord, *, covered: int, now: Instant) -> list[Standing]:
    """Every entitlement of an agent, in order of purpose and action."""
    name = agent.agent.agent
    keys = [ActivationKey(name, purpose, action, split_action(action)[0]) for purpose, action in agent.reach.grants]
    return [standing(view, key, covered=covered, now=now) for key in sorted(keys)]


def standing(view: View, key: ActivationKey, *, covered: int, now: Instant) -> Standing:
    """Where one entitlement stands."""
    known = view.activations.find(key)
    setting = setting_of(view, key, covered=covered, now=now, prefer=known.boundary if known else None)
    state, reason, left, reach, idle = None, "never used", None, None, _never_used(setting)
    if known is not None:
        facts = facts_of(known, setting)
        verdict = judge(facts)
        state, reason, idle = verdict.state, verdict.reason, facts.idle_covered
        if usable(state, setting.tier):
            left, reach = max(0, ttl(setting.tier, facts.habit) - facts.idle_covered), Reach.DIRECT
    reach = reach or _without(known, state, setting)
    return Standing(
        key=key,
        boundary=setting.boundary.boundary if setting.boundary else "",
        tier=setting.tier,
        state=state.value if state else "new",
        reason=reason,
        reach=reach,
        activation=known,
        left=left,
        idle=idle,
        quiet=_quiet(known, setting, reach),
    )


def _never_used(setting: Setting) -> int:
    """For how long what was never started was not used, as far as the record of use is complete."""
    approved = None if setting.boundary is None else setting.boundary.approved_at
    if approved is None or approved >= setting.now:
        return 0
    if setting.windows is not None:
        return setting.windows.measure(approved, setting.now)
    return min(setting.now - approved, setting.covered)


def _quiet(known: Activation | None, setting: Setting, reach: Reach) -> Reach:
    """The reach, were nothing noticed of the agent.

    A toxic combination is judged on it: it raises the risk and suspends, and would else end itself, and begin
    again, for ever.
    """
    holder = setting.holder
    if not holder.risk and not holder.noticed:
        return reach
    calm = msgspec.structs.replace(setting, holder=msgspec.structs.replace(holder, risk=0, calm=Instant(0), noticed=()))
    state = None if known is None else judge(facts_of(known, calm)).state
    return Reach.DIRECT if state is not None and usable(state, setting.tier) else _without(known, state, calm)


def _without(known: Activation | None, state: ActivationState | None, setting: Setting) -> Reach:
    """Whether what is not usable now takes a person."""
    if setting.rule is None or setting.holder.state == AgentState.RETIRED:
        return Reach.NONE  # who is retired stays so, whatever its boundaries name until they end
    starts = reactivate(asked(known, state, setting, attested=0)) is None
    alone = starts and (setting.tier is not Tier.CRITICAL or setting.rule.limited)
    return Reach.LATENT if alone else Reach.PERSON


def summary(found: Iterable[Standing]) -> dict[str, dict[str, int]]:
    """For each reach: how many entitlements, and their weight."""
    counts: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    for each in found:
        counts[each.reach.value] += 1
        weights[each.reach.value] += WEIGHT[each.tier]
    return {reach.value: {"count": counts[reach.value], "weight": weights[reach.value]} for reach in Reach}
