"""Step 9: whether the entitlement is in force and, if not, whether it may start by itself (pure).

`judge` says where the activation stands at this moment; nothing is taken from a sweep.
`reactivate` says whether it may start. Starting is an effect: it commits with the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from remit.access.activation import MOST_CYCLES, Activation, ActivationKey, ActivationState, Usage
from remit.access.activation_row import row_of
from remit.access.against import NOTHING, against_of, vouched_of
from remit.access.judge import SECRET_EXPOSED, Facts, Verdict, judge, usable
from remit.access.model import Boundary, Rule
from remit.access.reactivate import QUOTA_PER_HOUR, Ask, Refusal, ask_statement, counts, reactivate
from remit.access.ttl import Habit, habit_of, ttl
from remit.agents.signals import Noticed
from remit.catalog.model import Tier
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, EPOCH, HOUR, Instant, Micros, rfc3339, window_end, window_start
from remit.kernel.names import ActionName
from remit.policy import denial as refuse
from remit.policy.model import Call, Denial
from remit.storage.model import Activate, Effect, Reserve

_AGAIN: Final = HOUR
_NEVER: Final = 2**62  # a verdict that does not change by itself


class Holder(msgspec.Struct, frozen=True):
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


class Beside(NamedTuple):
    """What is used together with an entitlement: its use, and how far the record of that use is complete.

    It may be of another server, whose record others tell of, or is not believed at present.
    """

    action: ActionName
    usage: Usage
    covered: int  # the coverage clock, as far as the record is believed
    windows: Covered | None = None
    believed: Instant | None = None


class Start(msgspec.Struct, frozen=True):
    """An entitlement that starts with this call: what must commit, and the verdict that is recorded."""

    effects: tuple[Effect, ...]
    activation: Activation
    verdict: Mapping[str, Any]


def key_of(call: Call) -> ActivationKey:
    """What a call would use: of the agent itself or, acting for another, of that one. The scope is the server."""
    return ActivationKey(call.caller.principal, call.caller.purpose, call.action, call.server)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What an entitlement is judged in. No grant: no boundary in force names the action any more."""

    tier: Tier
    boundary: Boundary | None
    rule: Rule | None
    holder: Holder
    covered: int  # the coverage clock
    now: Instant
    windows: Covered | None = None  # of a server whose use others tell of; else the coverage clock counts
    believed: Instant | None = None  # until when its record of use is; None: until now
    together: tuple[Beside, ...] = ()  # what is used together with it
    woken: bool = False  # whether what is used together with it started within this UTC hour
    opened: Instant | None = None  # when the run that calls began, or the oldest that is open for its purpose
    needed_by: str = ""  # an action in force that needs this one
    severed_by: str = ""  # an action that this one needs, and that is suspended
    clock: int | None = None  # the coverage clock where `covered` is only as far as the record is believed


def facts_of(activation: Activation, setting: Setting) -> Facts:
    """What `judge` asks of an activation."""
    rule, holder, now = setting.rule, setting.holder, setting.now
    mine, habit = _since_start(activation), _habit(activation, rule)
    idle, covered = now - mine.last, _complete(mine, setting, now)
    for each in setting.together:  # the least of each: measured by the newest use alone, another's record would count
        idle, covered = min(idle, now - each.usage.last), min(covered, _complete(each.usage, each, now))
    lasts = ttl(setting.tier, habit)
    over = covered - lasts  # for how long its time is over
    against = against_of(activation, holder.noticed, risk=holder.risk) if holder.noticed else NOTHING
    under = activation.under
    return Facts(
        tier=setting.tier,
        state=activation.state,
        in_state=max(0, now - activation.since),
        idle=max(0, idle),
        idle_covered=covered,
        habit=habit,
        risk=holder.risk,
        granted=rule is not None,
        agent=holder.state,
        owner_active=holder.owner_active,
        same_version=activation.agent_version == holder.version,
        why=activation.why,
        under=under.state.value if under else "",
        under_why=under.why if under else "",
        under_for=max(0, now - under.since) if under else 0,
        unsure_for=_unsure_for(activation, now, over=now - idle + lasts),
        calm=max(0, now - holder.calm),
        held=over >= 0 and setting.opened is not None and setting.opened < now - over,
        other_risk=against.other_risk,
        exposed=against.exposed,
        secret_exposed=against.secret_exposed,
        critical=against.critical,
        against=tuple(sorted(against.weighed)),
        vouched=vouched_of(activation, against.weighed) if now < activation.vouched else (),
        needed=setting.needed_by != "",
        severed=setting.severed_by != "",
    )


def _unsure_for(activation: Activation, now: Instant, *, over: int) -> int:
    """How long ago it was noticed that nobody can say whether it is used.

    Whose time was over only after that (`over`) was used since, or was before, as is known now: that is another story.
    """
    noticed = activation.unsure
    return now - noticed if over <= noticed <= now else 0


def _since_start(activation: Activation) -> Usage:
    """Its use, or its start if that is newer: the time without use begins anew with it."""
    usage = activation.usage
    return usage if usage.last >= activation.started else replace(usage, last=activation.started)


def company(activation: Activation, setting: Setting) -> list[Beside]:
    """Of what is used together with it, that from which its idle time was taken, if it was not its own.

    That is the one with the newest use, and the one that is idle for the least time on record, if they are two.
    """
    mine, now = _since_start(activation), setting.now
    newest = max(setting.together, key=lambda each: each.usage.last, default=None)
    least = min(setting.together, key=lambda each: _complete(each.usage, each, now), default=None)
    found: list[Beside] = []
    if newest is not None and newest.usage.last > mine.last:
        found.append(newest)
    if least is not None and _complete(least.usage, least, now) < _complete(mine, setting, now) and least not in found:
        found.append(least)
    return found


def _habit(activation: Activation, rule: Rule | None) -> Habit:
    cadence, shorter = (None, None) if rule is None else (rule.cadence, rule.ttl)
    return habit_of(activation.usage, activation.cycles, cadence=cadence, shorter=shorter)


def _complete(usage: Usage, record: Setting | Beside, now: Instant) -> int:
    """For how much of the time since its last use the record is complete."""
    if record.windows is None:
        return max(0, record.covered - usage.covered)
    until = now if record.believed is None else min(now, record.believed)
    return record.windows.measure(usage.last, until) if usage.last < until else 0


def entitled(call: Call, activation: Activation | None, setting: Setting) -> Start | Denial | None:
    """None if the entitlement is in force; what starts it; or the denial of step 9."""
    state: ActivationState | None = None
    if activation is not None:
        verdict = judge(facts_of(activation, setting))
        if usable(verdict.state, setting.tier):
            return None
        if verdict.reason == SECRET_EXPOSED:
            return refuse.credential_replaced(call)
        state = verdict.state
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
        effects = (quota(call.caller.principal, setting.now), *effects)
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
    now, covered = setting.now, Micros(setting.covered if setting.clock is None else setting.clock)
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
        vouched=before.vouched if before else EPOCH, covers=before.covers if before else (),
        looked=before.looked if before else EPOCH,
    )  # fmt: skip


def effect_of(started: Activation, before: Activation | None, setting: Setting, *, notice: str | None) -> Activate:
    """What writes it, if nobody was faster."""
    row = row_of(started, due=due_at(facts_of(started, setting), setting, vouched=started.vouched))
    key = started.key
    expected = before.serial if before is not None else 0
    return Activate((key.agent, key.purpose, key.action, key.scope), expected, row, notice)


def quota(agent: str, now: Instant) -> Reserve:
    """One reactivation of an agent's five an hour."""
    key = f"quota hour reactivations {agent}"
    return Reserve(key, window_start("hour", now), window_end("hour", now), 1, QUOTA_PER_HOUR)


def due_at(facts: Facts, setting: Setting, *, vouched: Instant = EPOCH) -> int:
    """When the verdict may change by itself: by its own time, or when its boundary or a person's keep (`vouched`) ends.

    What is judged to be otherwise than it stands is looked at with the next tick.
    """
    found = judge(facts)
    if found.state is not facts.state:
        return setting.now + 1
    boundary = EPOCH if setting.boundary is None else setting.boundary.not_after
    ends = [each for each in (vouched, boundary) if each > setting.now]
    return min([_by_itself(facts, found, setting), *ends])


def _by_itself(facts: Facts, found: Verdict, setting: Setting) -> int:
    """When its own time changes the verdict.

    Where the record of use does not run with the clock, it cannot be told when it will have gone far enough: then it
    is looked at again after an hour, and not every second; or when it would change although the record stands still.
    """
    left = found.left
    if left is None:
        return _NEVER
    records: tuple[Setting | Beside, ...] = (setting, *setting.together)
    if all(each.windows is None and each.believed is None for each in records):
        return setting.now + max(1, left)
    standing = judge(msgspec.structs.replace(facts, idle_covered=-_NEVER)).left
    return setting.now + min(max(_AGAIN, left), _NEVER if standing is None else max(1, standing))


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
