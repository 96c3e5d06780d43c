"""Playing a history: things happen, what falls due is judged, uses are let through, given back or refused."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from remit.access.activation import Activation, ActivationKey, ActivationState
from remit.access.become import become
from remit.access.doubt import Doubt, DoubtState
from remit.access.judge import judge, usable
from remit.access.parameters import SHIPPED, Parameters
from remit.access.ttl import ttl
from remit.agents.signals import Signal
from remit.certification.doubting import canary_of
from remit.certification.limiter import EVERYONE, Place, counted, too_many
from remit.certification.limiter import Estate as Size
from remit.certification.simulation.estate import Estate, Held, VirtualAgent
from remit.certification.simulation.history import History, Line
from remit.certification.together import groups_of
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.kernel.names import ActionName, AgentName, PurposeName, split_action
from remit.policy.entitlement import facts_of

_STANDS: Final = frozenset({ActivationState.NEEDS_USAGE, ActivationState.EXPIRING})
_REGROUP: Final = 7  # days between looks at what is used together
_REMEMBER: Final = 90  # days of runs that these looks see


@dataclass(frozen=True, slots=True)
class Moved:
    """One change of state."""

    at: Instant
    key: ActivationKey
    before: str
    after: str
    reason: str
    by: str  # engine, use or person


@dataclass(frozen=True, slots=True)
class Refused:
    """A use that would have been refused."""

    line: Line
    key: ActivationKey
    refusal: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person was asked."""

    at: Instant
    what: str
    about: str
    many: int


class Step(NamedTuple):
    """What is to be recorded of an entitlement, and the reason of its verdict."""

    held: Held
    after: Activation
    reason: str


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    moved: list[Moved] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    days: list[dict[str, Any]] = field(default_factory=list)
    unattributed: int = 0
    uses: int = 0
    restarted: int = 0


@dataclass(slots=True)
class Play:
    """One playing of one history.

    Args:
        estate: Where it begins: empty.
        answers_after: How long a person takes who is asked whether a record of use is right; they find that it is.
        each_day: What is told of each UTC day that is over.
    """

    estate: Estate = field(default_factory=Estate)
    answers_after: int = DAY
    each_day: Callable[[Estate, int], dict[str, Any]] = lambda _estate, _day: {}
    out: Outcome = field(default_factory=Outcome)
    _due: list[tuple[int, ActivationKey]] = field(default_factory=list)
    _recent: list[tuple[Instant, Place]] = field(default_factory=list)
    _run_actions: dict[tuple[str, str], dict[str, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    _run_days: dict[str, int] = field(default_factory=dict)

    def run(self, history: History, progress: Callable[[int], None] = lambda _done: None) -> Outcome:
        """Play all of it."""
        day = history.starts // DAY
        for done, line in enumerate(history.lines):
            while line.at // DAY > day:
                self._catch_up(Instant((day + 1) * DAY - 1))
                self._day_over(day)
                day += 1
            self._catch_up(line.at)
            self.estate.now = line.at
            _TAKES[line.kind](self, line)
            if done % 1000 == 0:
                progress(done)
        self._day_over(day)  # as far as the history tells of it
        return self.out

    # time passes -----------------------------------------------------------------------------

    def _catch_up(self, until: Instant) -> None:
        """Judge what falls due up to a moment, each at its own."""
        while True:
            at = min(self._due[0][0] if self._due else until + 1, self._answer_due())
            if at > until:
                return
            self.estate.now = Instant(max(at, self.estate.now))
            self._answers()
            batch: dict[ActivationKey, None] = {}
            while self._due and self._due[0][0] <= self.estate.now:
                due, key = heapq.heappop(self._due)
                held = self.estate.held[key]
                if held.due == due:
                    batch[key] = None
            self._judge(batch)

    def _judge(self, keys: Iterable[ActivationKey]) -> None:
        """Judge some at this moment, as a batch in a running Remit is."""
        estate, steps = self.estate, list[Step]()
        for key in keys:
            held = estate.held[key]
            found = judge(facts_of(held.activation, estate.setting(held)), estate.parameters)
            after = become(held.activation, found, estate.now)
            if after is not None:
                steps.append(Step(held, after, found.reason))
            else:
                self._again(held)
        for held, after, reason in self._allowed(steps):
            self._move(held, after, reason, by="engine")

    def _allowed(self, steps: list[Step]) -> Iterator[Step]:
        ends = [
            Place(held.key.scope, held.key.agent)
            for held, after, reason in steps
            if counted(held.activation, after, reason)
        ]
        doubted = self._too_many(ends) if ends else set()
        for place in sorted(doubted):
            self._doubt(place, [held for held, _, reason in steps if reason == "idle" and _at(held, place)])
        self._recent += [(self.estate.now, each) for each in ends if not _within(each, doubted)]
        for step in steps:
            if step.reason == "idle" and any(_at(step.held, place) for place in doubted):
                self._again(step.held)
            else:
                yield step

    def _too_many(self, ends: list[Place]) -> set[Place]:
        now, estate = self.estate.now, self.estate
        self._recent = [(at, place) for at, place in self._recent if at > now - DAY]
        settled = {place for place, doubt in estate.doubts.items() if doubt.state is not DoubtState.DOUBTED}
        size = Size(len(estate.held), {each.agent: len(estate.agents[each.agent].keys) for each in ends})
        found = too_many([*(place for _, place in self._recent), *ends], size)
        return {each for each in found if each not in settled and Place(each.server, EVERYONE) not in settled}

    def _doubt(self, place: Place, held: list[Held]) -> None:
        estate = self.estate
        since = min(
            max(each.activation.usage.last, each.activation.started)
            + ttl(each.tier, facts_of(each.activation, estate.setting(each)).habit, estate.parameters)
            for each in held
        )
        estate.doubts[place] = Doubt(
            server=place.server, agent=place.agent, since=Instant(since - 1), covered=Micros(0),
            state=DoubtState.DOUBTED, moved=estate.now,
        )  # fmt: skip
        self.out.asked.append(Asked(estate.now, "usage_doubted", f"{place.server} {place.agent}".strip(), len(held)))

    def _answer_due(self) -> int:
        return min((each.moved + self._waits(each) for each in self.estate.doubts.values()), default=2**62)

    def _waits(self, doubt: Doubt) -> int:
        if doubt.state is DoubtState.DOUBTED:
            return self.answers_after
        return HOUR if doubt.state is DoubtState.CANARY else DAY

    def _answers(self) -> None:
        """A person says that the record is right: it is believed of a few, then of all, then all is forgotten."""
        estate, now = self.estate, self.estate.now
        for place, doubt in sorted(estate.doubts.items()):
            if now < doubt.moved + self._waits(doubt):
                continue
            if doubt.state is DoubtState.OVER:
                del estate.doubts[place]
                continue
            few = canary_of(estate.agents, doubt.name)
            after = DoubtState.CANARY if doubt.state is DoubtState.DOUBTED else DoubtState.OVER
            estate.doubts[place] = replace(doubt, state=after, moved=now, canary=few)
            self._judge([key for key in estate.held if key.scope == place.server and place.agent in {"", key.agent}])

    def _move(self, held: Held, after: Activation, reason: str, *, by: str) -> None:
        before, held.activation = held.activation, after
        if (before.state, before.why) != (after.state, after.why):  # else only what it goes back to is another
            self.out.moved.append(Moved(self.estate.now, held.key, before.state.value, after.state.value, reason, by))
        self._again(held)

    def _again(self, held: Held) -> None:
        held.due = max(self.estate.due(held), self.estate.now + 1)
        if held.due < 2**61:
            heapq.heappush(self._due, (held.due, held.key))

    # things happen ---------------------------------------------------------------------------

    def _owner(self, line: Line) -> None:
        gone = line.said["status"] != "active"
        (self.estate.left.add if gone else self.estate.left.discard)(line.said["owner"])
        for agent in self.estate.agents.values():
            if agent.owner == line.said["owner"]:
                self._judge(agent.keys)

    def _agent(self, line: Line) -> None:
        """Registered by its owner, who so approves its version too: what was started goes on under it."""
        agent = self.estate.agent(line.said["agent"])
        agent.owner, agent.version = line.said["owner"], str(line.said.get("version", agent.version))
        for key in agent.keys:
            held = self.estate.held[key]
            held.activation = replace(held.activation, agent_version=agent.version)
        self._judge(agent.keys)

    def _entitlement(self, line: Line) -> None:
        self._again(self.estate.approve(line.said))

    def _ended(self, line: Line) -> None:
        key = _key_of(line, line.said["purpose"])
        if key in self.estate.held:
            self.estate.ended.add(key)
            self._judge([key])

    def _signal(self, line: Line) -> None:
        agent = self.estate.agent(line.said["agent"])
        self.estate.signal(agent, line.said["signal"], line.said.get("about", ""), on=bool(line.said.get("on", True)))
        self._judge(agent.keys)
        if Signal.CRITICAL not in {signal for signal, _ in agent.signals}:
            self._released(agent)

    def _released(self, agent: VirtualAgent) -> None:
        """The alarm is over: its owner starts again what it had suspended, unless it would be suspended again."""
        for key in agent.keys:
            held, now = self.estate.held[key], self.estate.now
            before = held.activation
            if before.state is not ActivationState.SUSPENDED or before.why != "critical_signal":
                continue
            started = replace(
                before, usage=replace(before.usage, last=now), state=ActivationState.ACTIVE, since=now, why="started",
                serial=before.serial + 1,
            )  # fmt: skip
            found = judge(facts_of(started, self.estate.setting(held)), self.estate.parameters)
            if found.state is not ActivationState.SUSPENDED:
                self._move(held, started, "started", by="person")

    def _coverage(self, line: Line) -> None:
        self.estate.cover(line.source, line.said["from"], line.said["to"])
        self._judge(self._standing())

    def _standing(self) -> list[ActivationKey]:
        """What the passing of time alone may soon take away."""
        return [key for key, held in self.estate.held.items() if held.activation.state in _STANDS]

    def _use(self, line: Line) -> None:
        estate, said = self.estate, line.said
        purpose = said.get("purpose") or self._only_purpose(said)
        if purpose is None:
            self.out.unattributed += 1
            return
        self.out.uses += 1
        key = _key_of(line, purpose)
        held = estate.held.get(key)
        if held is None:
            self.out.refused.append(Refused(line, key, "not_granted"))
            return
        self._in_run(line, key)
        setting = estate.setting(held)
        state = judge(facts_of(held.activation, setting), estate.parameters).state
        if not usable(state, held.tier):
            refusal = estate.refusal(held, state, setting)
            if refusal is not None:
                self.out.refused.append(Refused(line, key, refusal))
                return
            before = held.activation.state if held.activation.state is not ActivationState.ACTIVE else state
            estate.restart(held, setting, lapsed=state is ActivationState.LAPSED)
            self.out.restarted += 1
            self.out.moved.append(Moved(line.at, key, before.value, "active", "reactivate", "use"))
        self._used(held, line)

    def _used(self, held: Held, line: Line) -> None:
        usage = held.activation.usage.after(line.at, Micros(line.at))
        held.activation = replace(held.activation, usage=usage)
        if held.activation.state in {ActivationState.EXPIRING, ActivationState.NEEDS_USAGE}:
            self._judge([held.key])
        else:
            self._again(held)

    def _in_run(self, line: Line, key: ActivationKey) -> None:
        run = line.said.get("run")
        if not run:
            return
        began = self.estate.runs.get(run, (line.at,))[0]
        self.estate.runs[run] = (began, line.at, key.agent, key.purpose)
        self.estate.open_runs[key.agent, key.purpose].add(run)
        self._run_actions[key.agent, key.purpose][run].add(key.action)
        self._run_days.setdefault(run, line.at // DAY)

    def _only_purpose(self, said: dict[str, Any]) -> str | None:
        found = self.estate.purposes.get((said["agent"], said["action"]), set())
        return next(iter(found)) if len(found) == 1 else None

    def _nothing(self, _line: Line) -> None:
        """A failed or refused call is no use."""

    def _day_over(self, day: int) -> None:
        if day % _REGROUP == 0:
            self._regroup(day)
        self._judge(self._standing())  # what is looked at again within the hour stands at the day's end as it is
        self.out.days.append(self.each_day(self.estate, day))

    def _regroup(self, day: int) -> None:
        groups: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        for (agent, purpose), runs in self._run_actions.items():
            for run in [each for each in runs if self._run_days[each] < day - _REMEMBER]:
                del runs[run]
            groups[agent][purpose] = groups_of(runs)
        for name, found in groups.items():
            holder = self.estate.agent(name)
            before = holder.together
            self.estate.group(holder, found)
            moved = (key for key in {*before, *holder.together} if before.get(key) != holder.together.get(key))
            self._judge(sorted(key for key in moved if key in self.estate.held))


def simulate(
    history: History,
    *,
    parameters: Parameters = SHIPPED,
    answers_after: int = DAY,
    assume_complete: bool = False,
    each_day: Callable[[Estate, int], dict[str, Any]] = lambda _estate, _day: {},
    progress: Callable[[int], None] = lambda _done: None,
) -> Outcome:
    """Run the engine over a history: the same history, the same bytes."""
    estate = Estate(parameters=parameters, all_covered=assume_complete)
    return Play(estate, answers_after, each_day).run(history, progress)


def _key_of(line: Line, purpose: str) -> ActivationKey:
    action = ActionName(line.said["action"])
    return ActivationKey(AgentName(line.said["agent"]), PurposeName(purpose), action, split_action(action)[0])


def _at(held: Held, place: Place) -> bool:
    return held.key.scope == place.server and place.agent in {EVERYONE, held.key.agent}


def _within(place: Place, doubted: set[Place]) -> bool:
    return place in doubted or Place(place.server, EVERYONE) in doubted


_TAKES: Final[dict[str, Callable[[Play, Line], None]]] = {
    "owner": Play._owner,  # noqa: SLF001 - a table of this class's own methods
    "agent": Play._agent,  # noqa: SLF001 - as above
    "entitlement": Play._entitlement,  # noqa: SLF001 - as above
    "ended": Play._ended,  # noqa: SLF001 - as above
    "signal": Play._signal,  # noqa: SLF001 - as above
    "coverage": Play._coverage,  # noqa: SLF001 - as above
    "use": Play._use,  # noqa: SLF001 - as above
    "error": Play._nothing,  # noqa: SLF001 - as above
    "denial": Play._nothing,  # noqa: SLF001 - as above
}
