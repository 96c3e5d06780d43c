"""Judging a batch of activations inside one change: what moved is written, and what would be too much is stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from remit.access.activation import Activation, ActivationKey, ActivationState
from remit.access.activation_sql import SqlActivations
from remit.access.become import passing
from remit.access.doubt import DoubtState
from remit.access.judge import EXPOSED
from remit.access.ttl import ttl
from remit.certification.doubting import Doubting
from remit.certification.kin import depth, kin_of
from remit.certification.limiter import EVERYONE, Estate, Place, counted, too_many
from remit.certification.ports import Asker, Withdrawer
from remit.certification.replaying.marks_sql import marks
from remit.certification.setting import rules_read, setting_of
from remit.certification.transition import Transition, moved, transition
from remit.kernel.clock import DAY, HOUR, Instant, Micros
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.policy.entitlement import Setting, facts_of
from remit.policy.view import View
from remit.storage.ports import Transaction
from remit.tokens.sql import SqlRuns

_UNREADABLE: Final = HOUR  # until it is looked at again; else a damaged row would stay due, and be logged every second
_WITHDRAWN: Final = frozenset({ActivationState.LAPSED, ActivationState.SUSPENDED, ActivationState.REVOKED})


@dataclass(slots=True)
class Recent:
    """Where habits ended in the last day, as far as this process knows."""

    _lapses: deque[tuple[Instant, Place]] = field(default_factory=deque)

    def since(self, now: Instant) -> list[Place]:
        """Those of the day before `now`."""
        while self._lapses and self._lapses[0][0] <= now - DAY:
            self._lapses.popleft()
        return [place for _, place in self._lapses]

    def note(self, now: Instant, places: Iterable[Place]) -> None:
        """Habits ended now."""
        self._lapses += ((now, place) for place in places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """Who is told, asked and set to work when something is taken away."""

    records: Records
    asker: Asker
    withdrawer: Withdrawer
    doubting: Doubting


@dataclass(frozen=True, slots=True)
class _Step:
    """A transition, and what it was judged in."""

    taken: Transition
    setting: Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch, within a change."""

    tx: Transaction
    rows: SqlActivations
    view: View
    now: Instant
    covered: Micros
    recent: Recent
    after: Consequences

    def judge(self, keys: Sequence[ActivationKey]) -> int:
        """Judge `keys`; how many changed state."""
        steps: list[_Step] = []
        later: list[tuple[ActivationKey, int]] = []
        unread, runs = set(keys), self._runs(keys)
        for stored, due in self.rows.some(keys):
            unread.discard(stored.key)
            step = self._step(stored, runs)
            if isinstance(step, _Step):
                steps.append(step)
            elif step != due:
                later.append((stored.key, step))
        allowed, stopped = self._allowed(steps)
        # What is held back is judged again when the doubt has become known; nothing else would ask for it.
        held = [(each.taken.before.key, self.now + 1) for each in stopped]
        self.rows.postpone([*later, *held, *((key, self.now + _UNREADABLE) for key in sorted(unread))])
        read = marks(self.tx.connection, [each.taken.before.key for each in allowed], self.now)
        rules = dict[tuple[str, str], Mapping[str, str]]()
        for each in sorted(allowed, key=self._depth):  # leaf first: what needs another goes before it
            key = each.taken.before.key
            if (key.agent, key.purpose) not in rules:
                rules[key.agent, key.purpose] = rules_read(self.view, key, now=self.now)
            self._take(each, {**read[key], "rules": rules[key.agent, key.purpose]})
        kin = {other for each in allowed for other in kin_of(self.view, each.taken.before.key)}
        self.rows.postpone((key, self.now + 1) for key in sorted(kin))
        return len(allowed)

    def _depth(self, step: _Step) -> tuple[int, ActivationKey]:
        return depth(self.view, step.taken.before.key)

    def _runs(self, keys: Sequence[ActivationKey]) -> Mapping[tuple[str, str], Instant]:
        """When the oldest open run began of each agent and purpose."""
        agents = sorted({key.agent for key in keys})
        return SqlRuns(self.tx.connection).oldest_open(agents, self.now)

    def _step(self, stored: Activation, runs: Mapping[tuple[str, str], Instant]) -> _Step | int:
        key = stored.key
        setting = setting_of(
            self.view, key, covered=self.covered, now=self.now, prefer=stored.boundary,
            opened=runs.get((key.agent, key.purpose)),
        )  # fmt: skip
        found = transition(stored, setting)
        return _Step(found, setting) if isinstance(found, Transition) else found

    def _allowed(self, steps: Sequence[_Step]) -> tuple[list[_Step], list[_Step]]:
        """The steps that may be taken, and the others: where too much would end in a day, the record is doubted."""
        ends = [each for each in steps if counted(each.taken.before, each.taken.after, each.taken.reason)]
        places = [Place(each.taken.before.key.scope, each.taken.before.key.agent) for each in ends]
        doubted = self._too_many(places) if places else set()
        for place in sorted(doubted):
            self._doubt(place, [each for each in steps if _idle(each) and _at(each, place)])
        self.recent.note(self.now, (each for each in places if not _covered_by(each, doubted)))
        allowed, stopped = list[_Step](), list[_Step]()
        for each in steps:
            (stopped if _idle(each) and any(_at(each, place) for place in doubted) else allowed).append(each)
        return allowed, stopped

    def _too_many(self, places: Sequence[Place]) -> set[Place]:
        settled = {
            (doubt.server, doubt.agent)
            for found in self.view.doubts.values()
            for doubt in found
            if doubt.state is not DoubtState.DOUBTED
        }
        if all((each.server, EVERYONE) in settled for each in places):
            return set()
        estate = Estate(self.rows.count(), self.rows.counts(sorted({each.agent for each in places})))
        found = too_many([*self.recent.since(self.now), *places], estate)
        return {each for each in found if each not in settled and (each.server, EVERYONE) not in settled}

    def _doubt(self, place: Place, held: Sequence[_Step]) -> None:
        """Believe the record up to just before the first of `held` would have lapsed."""
        if not held:
            return
        since = min(max(each.taken.before.usage.last, each.taken.before.started) + _lasts(each) for each in held) - 1
        covered = min(each.taken.before.usage.covered + _lasts(each) for each in held) - 1
        self.after.doubting.raise_within(
            self.tx, place, since=Instant(since), covered=Micros(covered), many=len(held), of=self.rows.count(),
        )  # fmt: skip

    def _take(self, step: _Step, read: Mapping[str, Any]) -> None:
        """Write one transition, its verdict and its notice, and what follows from it."""
        taken, after = step.taken, step.taken.after
        if not self.rows.put(after, expected=taken.before.serial, due=taken.due):
            return
        verdict = {**taken.verdict, "read": {**taken.verdict["read"], **read}}
        self.tx.record(self.after.records.entry("verdict", verdict))
        if taken.notice is not None:
            SqlNotices(self.tx.connection).put(after.key.agent, taken.notice)
        self.tx.touch(f"activations:{after.key.agent}")
        self._follow(step)

    def _follow(self, step: _Step) -> None:
        before, after, key = step.taken.before, step.taken.after, step.taken.after.key
        if not moved(before, after) or step.taken.reason == "ended":
            return  # what it goes back to is another, or it has gone back to what had ended before
        if after.state in _WITHDRAWN:
            what = {"purpose": key.purpose, "action": key.action, "scope": key.scope, "state": after.state.value}
            # A person is asked about the other reason; the tokens of whoever has the credential end all the same.
            exposed = after.state is ActivationState.SUSPENDED and facts_of(before, step.setting).exposed
            for cause in sorted({after.why, EXPOSED} if exposed else {after.why}):
                self.after.withdrawer.begin(self.tx, agent=key.agent, cause=cause, what=what)
        habit = facts_of(before, step.setting).habit
        if after.state is ActivationState.LAPSED and habit.flaps and habit.cadence is None:
            facts = {**asked(after, step.setting), "cycles": list(after.cycles)}
            self.after.asker.ask(
                self.tx, kind="cadence_wanted", agent=key.agent, about=after.id, why="comes_and_goes", facts=facts
            )
        asks = after.state in {ActivationState.NEEDS_HUMAN, ActivationState.SUSPENDED}
        if asks and not passing(after):  # these end by themselves, or are asked as a whole
            facts = {**asked(after, step.setting)}
            self.after.asker.ask(
                self.tx, kind="needs_human", agent=key.agent, about=after.id, why=after.why, facts=facts
            )


def asked(activation: Activation, setting: Setting) -> dict[str, Any]:
    """What a person is shown of an entitlement."""
    facts = facts_of(activation, setting)
    known = {"exposed": facts.exposed, "critical": facts.critical}
    return {
        **{name: True for name, so in known.items() if so},
        "purpose": activation.key.purpose,
        "action": activation.key.action,
        "scope": activation.key.scope,
        "boundary": activation.boundary,
        "tier": setting.tier.value,
        "state": activation.state.value,
        "risk": facts.risk,
        "days_of_use": activation.usage.days,
        "last_use": activation.usage.last,
    }


def _idle(step: _Step) -> bool:
    return step.taken.after.state is ActivationState.LAPSED and step.taken.reason == "idle"


def _at(step: _Step, place: Place) -> bool:
    key = step.taken.before.key
    return key.scope == place.server and place.agent in {EVERYONE, key.agent}


def _covered_by(place: Place, doubted: set[Place]) -> bool:
    return place in doubted or Place(place.server, EVERYONE) in doubted


def _lasts(step: _Step) -> int:
    return ttl(step.setting.tier, facts_of(step.taken.before, step.setting).habit)
