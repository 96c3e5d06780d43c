"""A virtual estate: agents, owners, entitlements and what is known of them, at a virtual moment.

Judged by the very rules that decide in a running Remit (`access/judge`, `access/reactivate`); only
the database, the log and the network are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from remit.access.activation import Activation, ActivationKey, ActivationState, Usage
from remit.access.doubt import Doubt
from remit.access.judge import judge, usable
from remit.access.model import Boundary, BoundaryState, Rule
from remit.access.parameters import SHIPPED, Parameters
from remit.access.reactivate import QUOTA_PER_HOUR, counts, reactivate
from remit.agents.risk import QUIET, Risk, moved
from remit.agents.signals import Noticed, Signal
from remit.catalog.model import Tier
from remit.certification.limiter import Place
from remit.certification.simulation.history import micros_of
from remit.certification.together import others_of
from remit.certification.usage.windows import Windows, windows
from remit.kernel.clock import EPOCH, HOUR, MINUTE, Instant, Micros
from remit.kernel.names import ActionName, AgentName, BoundaryName, OwnerName, PurposeName, split_action
from remit.policy.entitlement import Beside, Holder, Setting, asked, begin, due_at, facts_of

FOREVER: Final = Instant(2**62)
_RUN_IDLE: Final = 15 * MINUTE
_LONGEST_RUN: Final = 8 * HOUR


@dataclass(slots=True)
class VirtualAgent:
    """An agent, and what is known against it."""

    name: str
    owner: str = ""
    version: str = "1"
    risk: Risk = QUIET
    signals: dict[tuple[str, str], Instant] = field(default_factory=dict)  # as they were told
    keys: list[ActivationKey] = field(default_factory=list)
    together: Mapping[ActivationKey, tuple[ActivationKey, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Held:
    """One entitlement that a person approved."""

    key: ActivationKey
    tier: Tier
    rule: Rule
    limited: bool
    not_after: Instant
    activation: Activation
    due: int = 0


@dataclass(slots=True)
class Estate:
    """Everything that is so at `now`."""

    parameters: Parameters = SHIPPED
    now: Instant = EPOCH
    agents: dict[str, VirtualAgent] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)  # owners who went
    held: dict[ActivationKey, Held] = field(default_factory=dict)
    ended: set[ActivationKey] = field(default_factory=set)
    purposes: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    told: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    covered: Windows = field(default_factory=Windows)
    doubts: dict[Place, Doubt] = field(default_factory=dict)
    runs: dict[str, tuple[Instant, Instant, str, str]] = field(default_factory=dict)  # began, last seen, agent, purpose
    open_runs: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    quota: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    all_covered: bool = False  # there is no telling whether the record is complete: it is taken to be

    def agent(self, name: str) -> VirtualAgent:
        """The agent of that name; one that was never registered is its own owner."""
        if name not in self.agents:
            self.agents[name] = VirtualAgent(name)
        return self.agents[name]

    # what is told ----------------------------------------------------------------------------

    def approve(self, said: Mapping[str, Any]) -> Held:
        """A person approved an entitlement. It is in force from then on, as access is where nobody withdraws it."""
        agent, action = self.agent(said["agent"]), ActionName(said["action"])
        key = ActivationKey(AgentName(agent.name), PurposeName(said["purpose"]), action, split_action(action)[0])
        rule = Rule(
            action=action, first_use="auto" if said.get("first_use") == "auto" else None,
            ttl=micros_of(said.get("ttl_days")), cadence=micros_of(said.get("cadence_days")),
        )  # fmt: skip
        activation = Activation(
            key=key, boundary=BoundaryName("simulated"), boundary_version=1, agent_version=agent.version,
            state=ActivationState.ACTIVE, since=self.now, started=self.now, by=agent.owner or "owner", serial=1,
            usage=Usage(self.now, Micros(self.now)),
        )  # fmt: skip
        ends = said.get("not_after", FOREVER)
        held = Held(key, Tier(said["tier"]), rule, bool(said.get("limited")), ends, activation)
        self.held[key] = held
        self.ended.discard(key)
        agent.keys.append(key)
        self.purposes[agent.name, action].add(key.purpose)
        return held

    def cover(self, source: str, start: int, until: int) -> None:
        """A source told everything of some time. What is complete is what all sources told."""
        self.told[source].append((start, until))
        whole: Windows | None = None
        for name, spans in self.told.items():
            merged = windows(spans)
            self.told[name] = list(merged.spans)
            whole = merged if whole is None else whole.intersect(merged)
        self.covered = whole or Windows()

    def signal(self, agent: VirtualAgent, signal: str, about: str, *, on: bool) -> None:
        """Something was noticed, or is over."""
        if on:
            agent.signals.setdefault((signal, about), self.now)
        else:
            agent.signals.pop((signal, about), None)
        noticed = [Noticed(Signal(kind), each, since) for (kind, each), since in agent.signals.items()]
        found = [each for one in noticed for each in self._about(agent, one)]
        agent.risk = moved(agent.risk, said=0, noticed=tuple(sorted(found)), now=self.now)

    def _about(self, agent: VirtualAgent, noticed: Noticed) -> Iterator[Noticed]:
        """A combination is noticed of actions, and counts for every entitlement to one of them."""
        if noticed.signal is not Signal.TOXIC_COMBINATION:
            yield noticed
            return
        actions = set(noticed.about.split("+"))
        for key in agent.keys:
            if key.action in actions:
                yield noticed._replace(about=f"{key.purpose} {key.action}: {noticed.about}")

    # what follows ----------------------------------------------------------------------------

    def setting(self, held: Held) -> Setting:
        """What an entitlement is judged in now."""
        agent, key = self.agents[held.key.agent], held.key
        gone = key in self.ended or self.now >= held.not_after
        seen, believed = self._record(key)
        return Setting(
            tier=held.tier,
            boundary=None if gone else _BOUNDARY,
            rule=None if gone else held.rule,
            holder=Holder(
                agent.version, "active", agent.owner not in self.left, agent.risk.value, agent.risk.calm,
                agent.risk.noticed,
            ),
            covered=self.now,
            now=self.now,
            windows=seen,
            believed=believed,
            together=self._together(agent, key),
            opened=self._opened(key),
        )  # fmt: skip

    def _windows(self) -> Windows:
        return windows([(0, FOREVER)]) if self.all_covered else self.covered

    def _doubts(self, key: ActivationKey) -> Iterator[Doubt]:
        for place in (Place(key.scope, ""), Place(key.scope, key.agent)):
            if place in self.doubts:
                yield self.doubts[place]

    def _record(self, key: ActivationKey) -> tuple[Windows | None, Instant | None]:
        """By which record of use it is judged, and until when that is believed."""
        believed = [doubt.since for doubt in self._doubts(key) if doubt.holds(key.agent)]
        seen = None if self.all_covered and not believed else self._windows()
        return seen, min(believed) if believed else None

    def _together(self, agent: VirtualAgent, key: ActivationKey) -> tuple[Beside, ...]:
        if self.held[key].tier is Tier.CRITICAL:
            return ()
        others = [self.held[each].activation for each in agent.together.get(key, ()) if each in self.held]
        return tuple(Beside(each.key.action, each.usage, self.now, *self._record(each.key)) for each in others)

    def _opened(self, key: ActivationKey) -> Instant | None:
        of = (key.agent, key.purpose)
        for run in list(self.open_runs.get(of, ())):
            began, seen, _, _ = self.runs[run]
            if self.now >= min(seen + _RUN_IDLE, began + _LONGEST_RUN):
                self.open_runs[of].discard(run)
        return min((self.runs[run][0] for run in self.open_runs.get(of, ())), default=None)

    def state(self, held: Held) -> ActivationState:
        """Where it stands now."""
        return judge(facts_of(held.activation, self.setting(held)), self.parameters).state

    def due(self, held: Held) -> int:
        """When that may change by itself."""
        setting = self.setting(held)
        due = due_at(facts_of(held.activation, setting), setting, vouched=held.activation.vouched)
        return min(due, held.not_after) if self.now < held.not_after else due

    def refusal(self, held: Held, state: ActivationState, setting: Setting) -> str | None:
        """Why it does not start by itself now; None if it does."""
        if setting.rule is None:
            return "not_granted"
        if state is ActivationState.SUSPENDED:
            return "suspended"
        ask = asked(held.activation, state, setting, attested=0)  # whoever has the keys has just proved them
        found = reactivate(ask)
        if found is not None:
            return "never" if held.tier is Tier.CRITICAL else found.value
        started = begin(held.key, held.activation, msgspec.structs.replace(setting, boundary=_BOUNDARY), by="")
        if not usable(judge(facts_of(started, setting), self.parameters).state, held.tier):
            return "owner"
        return "quota" if counts(ask) and not self._charge(held) else None

    def _charge(self, held: Held) -> bool:
        """Charge the agent's hourly quota. What is used together is charged once."""
        used = self.quota[held.key.agent, self.now // HOUR]
        group = self._group(held.key)
        if group not in used and len(used) >= QUOTA_PER_HOUR:
            return False
        used.add(group)
        return True

    def _group(self, key: ActivationKey) -> str:
        others = self.agents[key.agent].together.get(key, ())
        return min([f"{key.purpose} {key.action}", *(f"{each.purpose} {each.action}" for each in others)])

    def restart(self, held: Held, setting: Setting, *, lapsed: bool) -> None:
        """It starts again, by the use that needs it."""
        boundary = msgspec.structs.replace(setting, boundary=_BOUNDARY)
        held.activation = begin(held.key, held.activation, boundary, by="", lapsed=lapsed)

    def reach(self, held: Held, state: ActivationState) -> str:
        """direct, latent, or person: what it takes to use it."""
        if usable(state, held.tier):
            return "direct"
        setting = self.setting(held)
        if setting.rule is None:
            return "none"
        starts = reactivate(asked(held.activation, state, setting, attested=0)) is None
        alone = starts and (held.tier is not Tier.CRITICAL or held.limited)
        return "latent" if alone else "person"

    def group(self, agent: VirtualAgent, groups: Mapping[str, Mapping[str, str]]) -> None:
        """Say which actions of an agent are used together, by purpose."""
        agent.together = {
            _key(agent, purpose, action): tuple(_key(agent, purpose, each) for each in others)
            for purpose, found in groups.items()
            for action, others in others_of(found.items()).items()
        }


def _key(agent: VirtualAgent, purpose: str, action: str) -> ActivationKey:
    return ActivationKey(AgentName(agent.name), PurposeName(purpose), ActionName(action), split_action(action)[0])


_BOUNDARY: Final = Boundary(
    boundary=BoundaryName("simulated"), version=1, agent=AgentName(""), purpose=PurposeName(""), rules={},
    not_after=FOREVER, state=BoundaryState.ACTIVE, approved_by=OwnerName("owner"), approved_at=EPOCH,
)  # fmt: skip
