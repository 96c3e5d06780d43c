"""Step 9: whether the entitlement is in force and, if not, whether it may start by itself (pure).

`judge` says where the activation stands at this moment; nothing is taken from a sweep.
`reactivate` says whether it may start. Starting is an effect: it commits with the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

from remit.access.activation import MOST_CYCLES, Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_row import row_of
from remit.access.judge import Facts, judge, usable
from remit.access.model import Boundary, Rule
from remit.access.reactivate import QUOTA_PER_HOUR, Ask, Refusal, ask_statement, counts, reactivate
from remit.access.ttl import Habit, habit_of, ttl
from remit.agents.signals import Noticed, Signal
from remit.catalog.model import Tier
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, EPOCH, HOUR, Instant, Micros, rfc3339, window_end, window_start
from remit.policy import denial as refuse
from remit.policy.model import Call, Denial
from remit.storage.model import Activate, Effect, Reserve

_AGAIN: Final = HOUR
_NEVER: Final = 2**62  # a verdict that does not change by itself


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose entitlement: what `judge` asks of the agent."""

    version: str
    state: str
    owner_active: bool
    risk: int  # millionths, of all that is known
    calm: Instant = EPOCH  # since when that is little
    noticed: tuple[Noticed, ...] = ()


class Covered(Protocol):
    """When the record of use was complete."""

    def measure(self, start: Instant, until: Instant) -> int:
        """For how many of the microseconds between them."""
        ...


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
    windows: Covered | None = None  # of a server whose use others tell of; else the coverage clock counts
    believed: Instant | None = None  # until when its record of use is; None: until now
    together: Usage | None = None  # the newest use of what is used together with it
    woken: bool = False  # whether what is used together with it started within this UTC hour
    opened: Instant | None = None  # when the run that calls began, or the oldest that is open for its purpose
    needed_by: str = ""  # an action in force that needs this one
    severed_by: str = ""  # an action that this one needs, and that is suspended


def facts_of(activation: Activation, setting: Setting) -> Facts:
    """What `judge` asks of an activation."""
    rule, holder, now = setting.rule, setting.holder, setting.now
    newest = _newest(_since_start(activation), setting.together)
    idle, habit = max(0, now - newest.last), _habit(activation, rule)
    covered = _idle_covered(newest, setting)
    over = covered - ttl(setting.tier, habit)  # for how long its time is over
    against = _against(activation, holder.noticed) if holder.noticed else _NOTHING
    return Facts(
        tier=setting.tier,
        state=activation.state,
        in_state=max(0, now - activation.since),
        idle=idle,
        idle_covered=covered,
        habit=habit,
        risk=holder.risk,
        granted=rule is not None,
        agent=holder.state,
        owner_active=holder.owner_active,
        same_version=activation.agent_version == holder.version,
        why=activation.why,
        calm=max(0, now - holder.calm),
        held=over >= 0 and setting.opened is not None and setting.opened < now - over,
        exposed=against.exposed,
        critical=against.critical,
        toxic=against.toxic,
        doubt=against.doubt,
        vouched=now < activation.vouched,
        needed=setting.needed_by != "",
        severed=setting.severed_by != "",
    )


def _since_start(activation: Activation) -> Usage:
    """Its use, or its start if that is newer: the time without use begins anew with it."""
    usage = activation.usage
    return usage if usage.last >= activation.started else replace(usage, last=activation.started)


def _newest(usage: Usage, together: Usage | None) -> Usage:
    return usage if together is None or together.last <= usage.last else together


def _habit(activation: Activation, rule: Rule | None) -> Habit:
    cadence, shorter = (None, None) if rule is None else (rule.cadence, rule.ttl)
    return habit_of(activation.usage, activation.cycles, cadence=cadence, shorter=shorter)


def _idle_covered(newest: Usage, setting: Setting) -> int:
    if setting.windows is None:
        return max(0, setting.covered - newest.covered)
    until = setting.now if setting.believed is None else min(setting.now, setting.believed)
    return setting.windows.measure(newest.last, until) if newest.last < until else 0


class _Against(NamedTuple):
    exposed: bool = False
    critical: bool = False
    toxic: bool = False
    doubt: bool = False


_NOTHING: Final = _Against()


def _against(activation: Activation, noticed: Iterable[Noticed]) -> _Against:
    """What of an agent's signals concerns one of its activations."""
    key = activation.key
    about = {(each.signal, each.about) for each in noticed}
    kinds = {signal for signal, _ in about}
    return _Against(
        exposed=Signal.CREDENTIAL_EXPOSED in kinds,
        critical=Signal.CRITICAL in kinds,
        toxic=(Signal.TOXIC_COMBINATION, f"{key.purpose} {key.action}") in about,
        doubt=(Signal.PURPOSE_DRIFT, key.purpose) in about or (Signal.PEER_OUTLIER, key.action) in about,
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
    started = begin(key_of(call), activation, setting, by="", lapsed=state is ActivationState.LAPSED)
    # What starts is judged too: else a call would be let through for what the next one is refused for.
    would = judge(facts_of(started, setting)).state
    if not usable(would, setting.tier):
        return refuse.activation_lapsed(call, state=would.value, refusal=Refusal.OWNER.value)
    change = "reactivate" if counts(ask) else "start"
    told = _notice(started, change, setting.now) if setting.tier is not Tier.LOW else None
    effects: tuple[Effect, ...] = (effect_of(started, activation, setting, notice=told),)
    if counts(ask) and not setting.woken:  # what is used together is charged once
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


def begin(
    key: ActivationKey, before: Activation | None, setting: Setting, *, by: str, lapsed: bool = False
) -> Activation:
    """The activation as it starts (again) now; `by` is a person's name, or empty for the machine.

    `lapsed` says that it had lapsed: what comes and goes again and again is to last longer.
    """
    now, covered = setting.now, Micros(setting.covered)
    # Its days of use stay as they are: the first use from now on tells how long it was silent.
    usage = Usage(now, covered) if before is None else replace(before.usage, covered=covered)
    boundary = setting.boundary
    if boundary is None:
        raise ValueError("nothing starts outside a boundary")
    return Activation(
        key=key, boundary=boundary.boundary, boundary_version=boundary.version, agent_version=setting.holder.version,
        state=ActivationState.ACTIVE, since=now, started=now, by=by,
        serial=1 + (before.serial if before is not None else 0), usage=usage,
        cycles=(*before.cycles, now // DAY)[-MOST_CYCLES:] if before and lapsed else before.cycles if before else (),
        vouched=before.vouched if before else EPOCH,
    )  # fmt: skip


def effect_of(started: Activation, before: Activation | None, setting: Setting, *, notice: str | None) -> Activate:
    """What writes it, if nobody was faster."""
    row = row_of(started, due=due_at(facts_of(started, setting), setting))
    key = started.key
    expected = before.serial if before is not None else 0
    return Activate((key.agent, key.purpose, key.action, key.scope), expected, row, notice)


def quota(agent: str, now: Instant) -> Reserve:
    """One reactivation of an agent's five an hour."""
    key = f"quota hour reactivations {agent}"
    return Reserve(key, window_start("hour", now), window_end("hour", now), 1, QUOTA_PER_HOUR)


def due_at(facts: Facts, setting: Setting) -> int:
    """When the verdict may change by itself.

    Where the record of use does not run with the clock, it cannot be told when it will have gone far enough: then it
    is looked at again after an hour, and not every second.
    """
    left = judge(facts).left
    stands = setting.windows is not None or setting.believed is not None
    return _NEVER if left is None else setting.now + max(_AGAIN if stands else 1, left)


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
