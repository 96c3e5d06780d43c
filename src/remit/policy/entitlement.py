"""Step 9: whether the entitlement is in force and, if not, whether it may start by itself (pure).

`judge` says where the activation stands at this moment; nothing is taken from a sweep.
`reactivate` says whether it may start. Starting is an effect: it commits with the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_row import row_of
from remit.access.judge import Facts, judge, usable
from remit.access.model import Boundary, Rule
from remit.access.reactivate import QUOTA_PER_HOUR, Ask, ask_statement, counts, reactivate
from remit.access.ttl import ttl
from remit.catalog.model import Tier
from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant, Micros, rfc3339, window_end, window_start
from remit.policy import denial as refuse
from remit.policy.model import Call, Denial
from remit.storage.model import Activate, Effect, Reserve

_NEVER: Final = 2**62  # a verdict that does not change by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose entitlement: what `judge` asks of the agent."""

    version: str
    state: str
    owner_active: bool
    risk: int


@dataclass(frozen=True, slots=True)
class Start:
    """An entitlement that starts with this call: what must commit, and the verdict that is recorded."""

    effects: tuple[Effect, ...]
    activation: Activation
    verdict: Mapping[str, Any]


def key_of(call: Call) -> ActivationKey:
    """What a call would use. The scope is the server, until a boundary declares another."""
    return ActivationKey(call.caller.agent, call.caller.purpose, call.action, call.server)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an entitlement is judged in. No grant: no boundary in force names the action any more."""

    tier: Tier
    boundary: Boundary | None
    rule: Rule | None
    holder: Holder
    covered: int  # the coverage clock
    now: Instant


def facts_of(activation: Activation, setting: Setting) -> Facts:
    """What `judge` asks of an activation."""
    usage, rule, holder = activation.usage, setting.rule, setting.holder
    return Facts(
        tier=setting.tier,
        state=activation.state,
        in_state=max(0, setting.now - activation.since),
        idle=max(0, setting.now - usage.last),
        idle_covered=max(0, setting.covered - usage.covered),
        ttl=ttl(setting.tier, usage, shorter=rule.ttl if rule is not None else None),
        risk=holder.risk,
        granted=rule is not None,
        agent=holder.state,
        owner_active=holder.owner_active,
        same_version=activation.agent_version == holder.version,
    )


def entitled(call: Call, activation: Activation | None, setting: Setting) -> Start | Denial | None:
    """None if the entitlement is in force; what starts it; or the denial of step 9."""
    state: ActivationState | None = None
    if activation is not None:
        found = judge(facts_of(activation, setting)).state
        if usable(found, setting.tier):
            return None
        state = found
    ask = asked(activation, state, setting, attested=max(0, setting.now - call.caller.attested))
    refusal = reactivate(ask)
    if refusal is not None:
        return refuse.activation_lapsed(call, state=ask.state.value if ask.state else "new", refusal=refusal.value)
    change = "reactivate" if counts(ask) else "start"
    started = begin(key_of(call), activation, setting, by="")
    told = _notice(started, change, setting.now) if setting.tier is not Tier.LOW else None
    effects: tuple[Effect, ...] = (effect_of(started, activation, setting, notice=told),)
    if counts(ask):
        effects = (quota(call.caller.agent, setting.now), *effects)
    return Start(effects, started, verdict_of(started, change, ask_statement(ask), activation))


def asked(activation: Activation | None, state: ActivationState | None, setting: Setting, *, attested: int) -> Ask:
    """The question to `reactivate`; `state` is what `judge` said. `attested`: microseconds since its key was proved."""
    return Ask(
        tier=setting.tier,
        # What ended with a boundary that a person then approved again begins anew.
        state=None if state is ActivationState.REVOKED else state,
        chosen=setting.rule is not None and setting.rule.first_use == "auto",
        same_version=activation is None or activation.agent_version == setting.holder.version,
        risk=setting.holder.risk,
        attested=attested,
    )


def begin(key: ActivationKey, before: Activation | None, setting: Setting, *, by: str) -> Activation:
    """The activation as it starts (again) now; `by` is a person's name, or empty for the machine."""
    now, covered = setting.now, Micros(setting.covered)
    usage = Usage(now, covered) if before is None else replace(before.usage, last=now, covered=covered)
    boundary = setting.boundary
    if boundary is None:
        raise ValueError("nothing starts outside a boundary")
    return Activation(
        key=key, boundary=boundary.boundary, boundary_version=boundary.version, agent_version=setting.holder.version,
        state=ActivationState.ACTIVE, since=now, started=now, by=by,
        serial=1 + (before.serial if before is not None else 0), usage=usage,
    )  # fmt: skip


def effect_of(started: Activation, before: Activation | None, setting: Setting, *, notice: str | None) -> Activate:
    """What writes it, if nobody was faster."""
    row = row_of(started, due=due_at(facts_of(started, setting), setting.now))
    key = started.key
    expected = before.serial if before is not None else 0
    return Activate((key.agent, key.purpose, key.action, key.scope), expected, row, notice)


def quota(agent: str, now: Instant) -> Reserve:
    """One reactivation of an agent's five an hour."""
    key = f"quota hour reactivations {agent}"
    return Reserve(key, window_start("hour", now), window_end("hour", now), 1, QUOTA_PER_HOUR)


def due_at(facts: Facts, now: Instant) -> int:
    """When the verdict may change by itself."""
    left = judge(facts).left
    return _NEVER if left is None else now + max(1, left)


def verdict_of(
    activation: Activation, verdict: str, statement: Mapping[str, Any], before: Activation | None
) -> dict[str, Any]:
    """What the log says of a transition; `statement` is what a replay comes to again."""
    key = activation.key
    return {
        "activation": activation.id,
        "agent": key.agent,
        "purpose": key.purpose,
        "action": key.action,
        "boundary": activation.boundary,
        "boundary_version": activation.boundary_version,
        "verdict": verdict,
        "from": before.state.value if before is not None else "new",
        "to": activation.state.value,
        "statement": dict(statement),
    }


def _notice(activation: Activation, change: str, now: Instant) -> str:
    said = {
        "what": change,
        "activation": activation.id,
        "action": activation.key.action,
        "purpose": activation.key.purpose,
        "boundary": activation.boundary,
        "at": rfc3339(now),
    }
    return canonical(said).decode("utf-8")
