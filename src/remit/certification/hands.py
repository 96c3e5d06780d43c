"""What people do to an entitlement: start it, or suspend it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from remit.access.activation import Activation, ActivationKey, ActivationState
from remit.access.activation_seal import UNSEALED, Unsealed
from remit.access.activation_sql import SqlActivations
from remit.access.judge import TOXIC, judge
from remit.catalog.model import Tier
from remit.certification.kin import kin_of
from remit.certification.ports import Nobody, Withdrawer
from remit.certification.setting import setting_of
from remit.certification.usage.coverage import CoverageClock
from remit.kernel.clock import EPOCH, Clock, Instant
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.kernel.names import ActionName, AgentName, PurposeName, split_action
from remit.people.change import Actor
from remit.people.ports import Records
from remit.policy.entitlement import Setting, begin, due_at, facts_of, verdict_of
from remit.policy.view import View
from remit.storage.ports import Transaction, Writer

_NEVER = 2**62
_INSTEAD = "what speaks against it first: remit agent signal AGENT SIGNAL --over, or remit review list"
_RELEASED = frozenset({ActivationState.NEEDS_HUMAN, ActivationState.AT_RISK})  # by a person's word
_ENDED = frozenset({ActivationState.LAPSED, ActivationState.SUSPENDED, ActivationState.REVOKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Transitions made by a person. Worker threads only."""

    writer: Writer
    records: Records
    clock: Clock
    coverage: CoverageClock
    view: Callable[[], View]
    seal: Unsealed = UNSEALED
    withdrawer: Withdrawer = Nobody()  # noqa: RUF009 - it has no state

    def key(self, agent: str, action: str, purpose: str | None) -> ActivationKey:
        """The entitlement that is meant.

        Raises:
            NotFound: No boundary in force names it.
            Malformed: Several purposes have it, and none was named.
        """
        record = self.view().agents.get(AgentName(agent))
        named = sorted(of for of, each in (record.reach.grants if record else ()) if each == action)
        if purpose is None and len(named) > 1:
            raise Malformed(f"name a purpose: {', '.join(named)}")
        if not named or (purpose is not None and purpose not in named):
            raise NotFound(f"no boundary in force lets {agent} use {action}"[:200], try_="remit boundary list")
        server, _, _ = split_action(action)
        return ActivationKey(AgentName(agent), PurposeName(purpose or named[0]), ActionName(action), server)

    def start(self, key: ActivationKey, *, by: Actor) -> Activation:
        """Start an entitlement by its owner's hand, whatever state it is in.

        Raises:
            NotFound, Conflict: No boundary in force names it; its agent or owner is not active.
        """

        def apply(tx: Transaction) -> Activation:
            rows = SqlActivations(tx.connection, self.seal)
            before, setting = rows.find(key), self._setting(key)
            if setting.boundary is None:
                raise NotFound("no boundary in force names this", try_="remit boundary list")
            if setting.holder.state != "active" or not setting.holder.owner_active:
                raise Conflict(f"{key.agent} is {setting.holder.state}, or its owner is not active")
            after = begin(key, before, setting, by=by.person)
            found = judge(facts_of(after, setting))
            if found.state is ActivationState.SUSPENDED:
                raise Conflict(f"{key.action} of {key.agent} would be suspended again: {found.reason}", try_=_INSTEAD)
            rows.put(after, expected=before.serial if before else 0, due=due_at(facts_of(after, setting), setting))
            self._record(tx, verdict_of(after, "start", _said(setting), before), by)
            return after

        return self.writer.change(apply)

    def suspend(self, key: ActivationKey, *, by: Actor) -> Activation:
        """Suspend an entitlement until its owner starts it again. One that was never used cannot start either then."""

        def apply(tx: Transaction) -> Activation:
            rows = SqlActivations(tx.connection, self.seal)
            before, setting = rows.find(key), self._setting(key)
            started = before or begin(key, None, setting, by=by.person)
            serial = before.serial + 1 if before else 1
            after = replace(
                started, state=ActivationState.SUSPENDED, since=setting.now, serial=serial, by=by.person,
                why="suspended",
            )  # fmt: skip
            rows.put(after, expected=before.serial if before else 0, due=_NEVER)
            self._record(tx, verdict_of(after, "suspend", _said(setting), before), by)
            self._taken(tx, after)
            return after

        return self.writer.change(apply)

    def lapse(self, key: ActivationKey, *, by: Actor) -> Activation | None:
        """Let an entitlement lapse: it comes back as its tier says. What never started or has ended stays as it is."""

        def apply(tx: Transaction) -> Activation | None:
            rows = SqlActivations(tx.connection, self.seal)
            before, setting = rows.find(key), self._setting(key)
            if before is None or before.state in _ENDED:
                return before
            after = replace(
                before, state=ActivationState.LAPSED, since=setting.now, serial=before.serial + 1, by=by.person,
                why="let_lapse",
            )  # fmt: skip
            rows.put(after, expected=before.serial, due=_NEVER)
            self._record(tx, verdict_of(after, "lapse", _said(setting), before), by)
            self._taken(tx, after)
            return after

        return self.writer.change(apply)

    def keep(self, key: ActivationKey, *, until: Instant, by: Actor) -> Activation:
        """A person looked at what speaks against an entitlement and keeps it: that does not count until then.

        What needed a person is in force again; what lapsed stays so until it is used. What is suspended for another
        reason than what it is held with, or revoked, is started (`start`) and not kept.

        Raises:
            NotFound: No boundary in force names it; or it was never started, and only a person starts it.
            Conflict: It is suspended for another reason, or revoked.
        """

        def apply(tx: Transaction) -> Activation:
            return self.keep_within(tx, key, until=until, by=by)

        return self.writer.change(apply)

    def keep_within(self, tx: Transaction, key: ActivationKey, *, until: Instant, by: Actor) -> Activation:
        """The same, within a change."""
        rows = SqlActivations(tx.connection, self.seal)
        before, setting = rows.find(key), self._setting(key)
        if setting.boundary is None or (before is None and not _starts_alone(setting)):
            raise NotFound(f"{key.agent} has no entitlement to {key.action} in force"[:200])
        known = before or self._unstarted(key, setting, by)
        kept = replace(known, vouched=until, serial=known.serial + 1 if before else 1)
        released = known.state in _RELEASED or (known.state is ActivationState.SUSPENDED and known.why == TOXIC)
        if released:
            kept = replace(kept, state=ActivationState.ACTIVE, since=setting.now, why="kept")
        found = judge(facts_of(kept, setting)).state
        if found in {ActivationState.SUSPENDED, ActivationState.REVOKED}:
            raise Conflict(
                f"{key.action} of {key.agent} is {found.value}, and keeping does not start it",
                try_=f"remit activation start {key.agent} {key.action}",
            )
        rows.put(kept, expected=before.serial if before else 0, due=due_at(facts_of(kept, setting), setting))
        self._record(tx, verdict_of(kept, "keep", {**_said(setting), "until": until}, before), by)
        return kept

    def unkeep(self, key: ActivationKey, *, by: Actor) -> Activation | None:
        """A person's word is taken back: what speaks against it counts again, at once."""

        def apply(tx: Transaction) -> Activation | None:
            rows = SqlActivations(tx.connection, self.seal)
            before, setting = rows.find(key), self._setting(key)
            if before is None or not before.vouched:
                return before
            after = replace(before, vouched=EPOCH, serial=before.serial + 1)
            found = judge(facts_of(after, setting))
            if found.state is not after.state:
                after = replace(after, state=found.state, since=setting.now, why=found.reason)
            rows.put(after, expected=before.serial, due=due_at(facts_of(after, setting), setting))
            self._record(tx, verdict_of(after, "unkeep", _said(setting), before), by)
            self._taken(tx, after)
            return after

        return self.writer.change(apply)

    def _taken(self, tx: Transaction, after: Activation) -> None:
        """What a person took away is withdrawn everywhere, as what the machine takes is."""
        if after.state in _ENDED:
            key = after.key
            what = {"purpose": key.purpose, "action": key.action, "scope": key.scope, "state": after.state.value}
            self.withdrawer.begin(tx, agent=key.agent, cause=after.why, what=what)

    def _unstarted(self, key: ActivationKey, setting: Setting, by: Actor) -> Activation:
        """What a person's word about something that never started stands on: not in force until it is used."""
        return replace(begin(key, None, setting, by=by.person), state=ActivationState.LAPSED, why="never_used")

    def _setting(self, key: ActivationKey) -> Setting:
        return setting_of(self.view(), key, covered=self.coverage.covered(), now=self.clock.now())

    def _record(self, tx: Transaction, verdict: Mapping[str, Any], by: Actor) -> None:
        acting = {} if by.as_ is None else {"as": by.as_}
        tx.record(self.records.entry("verdict", {**verdict, "by": by.by, **acting}))
        tx.touch(f"activations:{verdict['agent']}")
        # What depends on it, or it on that, is judged with the next tick.
        key = ActivationKey(verdict["agent"], verdict["purpose"], verdict["action"], split_action(verdict["action"])[0])
        due = Instant(self.clock.now() + 1)
        SqlActivations(tx.connection, self.seal).postpone((each, due) for each in kin_of(self.view(), key))


def _starts_alone(setting: Setting) -> bool:
    """Whether a first use needs no person: else a word about something that never started would start it."""
    chosen = setting.rule is not None and setting.rule.first_use == "auto"
    return setting.tier in {Tier.LOW, Tier.MEDIUM} or (setting.tier is Tier.HIGH and chosen)


def _said(setting: Setting) -> dict[str, Any]:
    """A person's word is no function of the facts; they stand there all the same."""
    return {"by_hand": True, "tier": setting.tier.value, "risk": setting.holder.risk}
