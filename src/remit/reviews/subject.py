"""What a question is about, read from what is committed: the boundaries, the entitlements, how they were used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Connection

from remit.access.activation import Activation, ActivationKey, ActivationState, Under, activation_id
from remit.access.activation_seal import UNSEALED, Unsealed
from remit.access.activation_sql import SqlActivations
from remit.access.against import weighed
from remit.access.judge import TOXIC
from remit.access.model import Boundary
from remit.access.needs import closure
from remit.access.sql import load_of_agent
from remit.agents.risk import SqlRisks
from remit.agents.sql import SqlAgents
from remit.catalog.methods import target
from remit.catalog.model import Tier
from remit.catalog.sql import SqlServers
from remit.certification.noticing.clockwork_sql import used_evenly
from remit.certification.releasing import needing
from remit.certification.usage.sql import SqlUseDays
from remit.certification.usage.windows_sql import SqlWindows
from remit.kernel.clock import DAY, Instant
from remit.kernel.names import ActionName, AgentName, OwnerName, PurposeName, split_action
from remit.people.model import Owner
from remit.people.sql import SqlOwners
from remit.reviews.effect import LONG_DAYS, Used, UseDay, facts_of, least, shown, taken_by_narrowing, used
from remit.reviews.model import Kind
from remit.reviews.ports import Doubts

_SHOWN = 20  # actions that are used like a clock, or need a person
_OF_ANOTHER = frozenset({Kind.TOXIC, Kind.CADENCE_WANTED})
_CALM = frozenset({ActivationState.ACTIVE, ActivationState.EXPIRING, ActivationState.NEEDS_USAGE})
_ENDED = frozenset({ActivationState.SUSPENDED, ActivationState.LAPSED, ActivationState.REVOKED})


class About(Protocol):
    """The part of a question that says what it is about."""

    @property
    def kind(self) -> Kind:
        """What is asked."""
        ...

    @property
    def agent(self) -> str:
        """Whose access."""
        ...

    @property
    def about(self) -> str:
        """Of what."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Boundaries in force, the entitlements in them that are asked about, and how their actions were used."""

    kind: Kind
    boundaries: tuple[Boundary, ...]
    keys: tuple[ActivationKey, ...]
    used: tuple[Used, ...]  # of all actions of the boundaries, or only of those asked about
    started: Mapping[ActivationKey, Activation]
    whole: bool  # whether the record of use has no holes
    this_day: int
    evenly: tuple[ActionName, ...] = ()  # of a boundary: used like a clock, and no `cadence` says that it would be
    # What speaks against each entitlement and a person can vouch for, and since when it is so.
    against: Mapping[ActivationKey, Mapping[str, Instant]] = field(default_factory=dict)

    @property
    def gone(self) -> bool:
        """Whether nothing in force is asked about any more, or what needed a person does not any longer."""
        if not self.keys:
            return True
        if self.kind is not Kind.NEEDS_HUMAN:
            return False
        known = [self.started[key] for key in self.keys if key in self.started]
        return len(known) == len(self.keys) and all(each.state in _CALM for each in known)

    @property
    def emergency(self) -> bool:
        """Whether it is for emergencies, so that it is meant not to be used."""
        return any(each.break_glass for each in self.boundaries)

    @property
    def needing(self) -> list[str]:
        """What needs a person for another reason than what is asked about, and why; of some."""
        if self.kind not in _OF_ANOTHER:
            return []
        found = ((key.action, needing(self.started[key])) for key in self.keys if key in self.started)
        waits = ((action, under) for action, under in found if under is not None and _waits(under))
        return [f"{action}: {under.why}" for action, under in waits][:_SHOWN]

    @property
    def ended(self) -> bool:
        """Whether none of it is in force, so that keeping it would do nothing."""
        known = [self.started[key] for key in self.keys if key in self.started]
        return bool(known) and all(each.state in _ENDED for each in known)

    def tier(self, key: ActivationKey) -> Tier:
        """The risk tier of one entitlement."""
        return next((each.tier for each in self.used if each.action == key.action), Tier.HIGH)

    def ending(self) -> list[Used]:
        """What `end` takes away."""
        asked = {key.action for key in self.keys}
        return [each for each in self.used if each.action in asked]

    def narrowing(self) -> list[Used]:
        """What `narrow` takes away: the unused; of what should not be held together, the part that is used least."""
        if self.kind is Kind.TOXIC:
            found = least(self.ending())
            return [] if found is None else [found]
        if self.emergency:
            return []
        taken = taken_by_narrowing(self.used, this_day=self.this_day, whole=self.whole)
        needed = self._needed_without({each.action for each in taken})
        return [each for each in taken if each.action not in needed]

    def _needed_without(self, taken: Collection[ActionName]) -> set[ActionName]:
        """What the actions that stay cannot do without."""
        edges: dict[ActionName, set[ActionName]] = {}
        for each in self.boundaries:
            for action, rule in each.rules.items():
                edges.setdefault(action, set()).update(rule.needs)
        return {each for action, found in closure(edges).items() if action not in taken for each in found}

    def preview(self) -> dict[str, Any]:
        """What each answer would take away."""
        return {
            "end": shown(self.ending(), this_day=self.this_day),
            "narrow": shown(self.narrowing(), this_day=self.this_day),
        }

    def facts(self) -> dict[str, Any]:
        """The figures for a recommendation. For entitlements they are those of what is asked about."""
        found = facts_of(self.ending(), this_day=self.this_day, whole=self.whole)
        if self.emergency:
            found["break_glass"] = True
        if self.kind is Kind.TOXIC and (part := least(self.ending())) is not None:
            found["least_used"] = part.action
        if against := sorted({name for each in self.against.values() for name in each}):
            found["against"] = against
        if self.needing:
            found["needs_a_person"] = self.needing
        if self.evenly:
            found["used_like_a_clock"] = [*self.evenly[:_SHOWN]]
        if self.kind is not Kind.BOUNDARY_DUE and len(self.keys) == 1:
            (key,) = self.keys
            for name in ("actions", "unused", "unused_actions"):
                del found[name]
            found |= {"action": key.action, "purpose": key.purpose, "scope": key.scope}
        return found


@dataclass(frozen=True, slots=True)
class Subjects:
    """Looks subjects up on one connection."""

    connection: Connection
    doubts: Doubts
    now: Instant
    seal: Unsealed = UNSEALED

    def owner(self, agent: str) -> Owner | None:
        """The person registered as the owner of an agent, active or not."""
        found = SqlAgents(self.connection).find(AgentName(agent)) if agent else None
        return None if found is None else self.person(found.owner)

    def person(self, name: OwnerName) -> Owner | None:
        """One registered person."""
        return SqlOwners(self.connection).find(name)

    def of(self, question: About, *, wide: bool = True) -> Subject:
        """What `question` is about now; `wide`: with the use of everything else in its boundaries, for a narrowing."""
        boundaries = [each for each in load_of_agent(self.connection, question.agent) if each.not_after > self.now]
        if question.kind is Kind.BOUNDARY_DUE:
            boundaries = [each for each in boundaries if each.boundary == question.about]
        keys = _asked(question, boundaries)
        mine = [each for each in boundaries if any(_gives(each, key) for key in keys)]
        scope = {_key(each, action) for each in mine for action in each.rules} if wide else keys
        evenly = self._evenly(mine) if question.kind is Kind.BOUNDARY_DUE else ()
        started = self._started(scope)
        return Subject(
            kind=question.kind, boundaries=tuple(mine), keys=tuple(sorted(keys)),
            used=tuple(self._used(scope, mine, started)), started=started,
            whole=self._whole(question.agent, scope, mine, started.values()), this_day=self.now // DAY, evenly=evenly,
            against={} if question.kind is Kind.BOUNDARY_DUE else self._against(question.agent, keys),
        )  # fmt: skip

    def _against(self, agent: str, keys: Collection[ActivationKey]) -> Mapping[ActivationKey, Mapping[str, Instant]]:
        noticed = SqlRisks(self.connection).find(agent).noticed if keys else ()
        return {key: weighed(key, noticed) for key in keys}

    def _evenly(self, boundaries: Iterable[Boundary]) -> tuple[ActionName, ...]:
        rules = ((each, rule) for each in boundaries if not each.break_glass for rule in each.rules.values())
        keys = {_key(each, rule.action) for each, rule in rules if rule.cadence is None}
        return tuple(key.action for key in used_evenly(self.connection, keys, now=self.now))

    def _started(self, keys: Collection[ActivationKey]) -> Mapping[ActivationKey, Activation]:
        rows = SqlActivations(self.connection, self.seal)
        return {found.key: found for found, _ in rows.some(sorted(keys))}

    def _used(
        self, keys: Collection[ActivationKey], boundaries: Collection[Boundary],
        started: Mapping[ActivationKey, Activation],
    ) -> list[Used]:  # fmt: skip
        last: dict[ActionName, int] = {}
        for key, each in started.items():
            if each.usage.days:
                last[key.action] = max(each.usage.last // DAY, last.get(key.action, 0))
        approved = max((each.approved_at or self.now for each in boundaries), default=self.now)
        tier = self.tiers()
        return used(
            {key.action: tier(key.action) for key in keys}, self._days(keys), last=last, since=approved // DAY,
            this_day=self.now // DAY,
        )  # fmt: skip

    def _days(self, keys: Collection[ActivationKey]) -> Iterable[UseDay]:
        # What nobody said the purpose of counts as use for each: it speaks against taking anything away.
        nobodys = {key._replace(purpose=PurposeName("")) for key in keys}
        for key, days in SqlUseDays(self.connection).days_of({*keys, *nobodys}).items():
            for each in days:
                yield UseDay(key.action, each.key.day, each.uses)

    def tiers(self) -> Callable[[str], Tier]:
        """From an action to its risk tier; what is not known is high."""
        server = cache(SqlServers(self.connection).find)

        def tier(action: str) -> Tier:
            found = server(split_action(action)[0])
            known = None if found is None else target(found, action)
            return Tier.HIGH if known is None else known.tier

        return tier

    def _whole(
        self, agent: str, keys: Collection[ActivationKey], boundaries: Collection[Boundary],
        started: Iterable[Activation],
    ) -> bool:  # fmt: skip
        """Whether non-use may be asserted of the last 90 days."""
        if any(each.state is ActivationState.NEEDS_USAGE for each in started):
            return False
        servers = {key.scope for key in keys}
        if any(self.doubts.doubted(self.connection, server, agent) for server in servers):
            return False
        coverage = SqlWindows(self.connection).coverage()
        approved = max((each.approved_at or 0 for each in boundaries), default=0)
        since = max(approved, self.now - LONG_DAYS * DAY)
        # Sources tell a day late: what of the newest day is not there yet is no hole.
        until = max(since, self.now - DAY)
        return all(coverage[server].covers(since, until) for server in servers if server in coverage)


def _waits(under: Under) -> bool:
    return under.state is ActivationState.NEEDS_HUMAN and under.why != TOXIC


def names_of(question: About) -> frozenset[str]:
    """The boundary, or the entitlements (ids, or `PURPOSE ACTION`), that a question is about."""
    more = question.facts.get("entitlements")
    return frozenset({question.about, *(map(str, more) if isinstance(more, list) else ())})


def keys_of(boundaries: Iterable[Boundary]) -> set[str]:
    """The ids of every entitlement that these give."""
    return {activation_id(_key(each, action)) for each in boundaries for action in each.rules}


def names_of_key(key: ActivationKey) -> frozenset[str]:
    """How a question may name one entitlement."""
    return frozenset({f"{key.purpose} {key.action}", activation_id(key)})


def _asked(question: About, boundaries: Iterable[Boundary]) -> set[ActivationKey]:
    """Every entitlement that the boundaries give and that is asked about."""
    names = names_of(question)
    found: set[ActivationKey] = set()
    for boundary in boundaries:
        whole = boundary.boundary in names
        for action in boundary.rules:
            key = _key(boundary, action)
            if whole or not names_of_key(key).isdisjoint(names):
                found.add(key)
    return found


def _gives(boundary: Boundary, key: ActivationKey) -> bool:
    return key.purpose == boundary.purpose and key.action in boundary.rules


def _key(boundary: Boundary, action: ActionName) -> ActivationKey:
    return ActivationKey(boundary.agent, boundary.purpose, action, split_action(action)[0])
