"""What people do to an entitlement: start it, or suspend it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

from remit.access.activation import Activation, ActivationKey, ActivationState, Kept, Under
from remit.access.activation_seal import UNSEALED, Unsealed
from remit.access.activation_sql import SqlActivations
from remit.access.against import weighed
from remit.access.become import become, passing
from remit.access.judge import SEVERED, judge, quiet
from remit.catalog.model import Tier
from remit.certification.batch import asked
from remit.certification.kin import kin_of
from remit.certification.ports import Asker, Nobody, Withdrawer
from remit.certification.releasing import outlived, put_back, released
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
    asker: Callable[[], Asker] = Nobody  # a function, because who asks needs these hands too
    prepare: Callable[[str], None] = lambda _agent: None  # loads an agent's activations into the view

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
        self.prepare(key.agent)  # what it needs may be suspended

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
            rows.put(
                after,
                expected=before.serial if before else 0,
                due=due_at(facts_of(after, setting), setting, vouched=after.vouched),
            )
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
                why="suspended", under=None,
            )  # fmt: skip
            rows.put(after, expected=before.serial if before else 0, due=_NEVER)
            self._record(tx, verdict_of(after, "suspend", _said(setting), before), by)
            self._taken(tx, after)
            return after

        return self.writer.change(apply)

    def lapse(self, key: ActivationKey, *, by: Actor) -> Activation | None:
        """Let an entitlement lapse: it comes back as its tier says. What never started or has ended stays as it is.

        What is suspended for a reason that ends by itself will have lapsed when that is over.
        """
        self.prepare(key.agent)  # what it needs may be suspended

        def apply(tx: Transaction) -> Activation | None:
            rows = SqlActivations(tx.connection, self.seal)
            before, setting = rows.find(key), self._setting(key)
            lapsed = Under(ActivationState.LAPSED, "let_lapse", setting.now)
            after = _lapsed(before, lapsed, by) if before is not None else None
            if before is None or after is None:
                return before
            due = setting.now + 1 if after.under is not None else due_at(facts_of(after, setting), setting)
            rows.put(after, expected=before.serial, due=due)
            self._record(tx, verdict_of(after, "lapse", _said(setting), before), by)
            if after.under is None:
                self._taken(tx, after)
            return after

        return self.writer.change(apply)

    def keep(
        self, tx: Transaction, key: ActivationKey, *, until: Instant, by: Actor, seen: Instant | None = None,
        shown: Collection[str] | None = None,
    ) -> Activation:  # fmt: skip
        """A person looked at what speaks against an entitlement and keeps it: that does not count until then.

        It covers what speaks against it now, and nothing that comes or begins anew later; with `seen`, only what did so
        by then, and with `shown`, only what is named there (as `weighed` names it, and the reason for which it needs a
        person). What needed one for that is in force again (`releasing`); what lapsed stays so until it is used. What
        is suspended for another reason than what it is held with, or revoked, is started (`start`) and not kept.

        Within a change, with the agent's activations loaded (`prepare`).

        Raises:
            NotFound: No boundary in force names it; or it was never started, and only a person starts it.
            Conflict: It is suspended for another reason, or revoked.
        """
        rows = SqlActivations(tx.connection, self.seal)
        before, setting = rows.find(key), self._setting(key)
        if setting.boundary is None or (before is None and not _starts_alone(setting)):
            raise NotFound(f"{key.agent} has no entitlement to {key.action} in force"[:200])
        known = before or self._unstarted(key, setting, by)
        against = weighed(key, setting.holder.noticed)
        looked = setting.now if seen is None else seen
        known_of = against.keys() if shown is None else shown
        covers = tuple(sorted(each for each, since in against.items() if since <= looked and each in known_of))
        kept = replace(known, vouched=until, covers=covers, looked=looked, serial=known.serial + 1 if before else 1)
        kept = released(kept, against, shown, quiet=quiet(facts_of(kept, setting)), now=setting.now)
        found = judge(facts_of(kept, setting))
        # What it needs may be kept in the same change, which is not seen here: it comes back with that.
        waits = found.reason == SEVERED
        if found.state in {ActivationState.SUSPENDED, ActivationState.REVOKED} and not waits:
            raise Conflict(
                f"{key.action} of {key.agent} is {found.state.value}, and keeping does not start it",
                try_=f"remit activation start {key.agent} {quote(key.action)}",
            )
        rows.put(
            kept, expected=before.serial if before else 0, due=due_at(facts_of(kept, setting), setting, vouched=until)
        )
        said = {**_said(setting), "until": until, "covers": list(covers)}
        self._record(tx, verdict_of(kept, "keep", said, before), by)
        return kept

    def unkeep(
        self, tx: Transaction, key: ActivationKey, *, by: Actor, was: Under | None = None, left: Kept | None = None,
        asks: bool = False,
    ) -> Activation | None:  # fmt: skip
        """A person's word is taken back: what speaks against it counts again, at once. Who is needed then is asked.

        Within a change, with the agent's activations loaded (`prepare`). It may be given by no boundary now: then
        nobody vouches for it when it is given again.

        Args:
            tx: The change.
            key: The entitlement.
            by: Who takes it back.
            was: What that word released (`releasable` before it): it needs a person again, or is at risk for as long,
                as if nobody had said it; unless it ended since, or was started anew.
            left: Another keep of it that nobody took back.
            asks: Whether a person is asked about it anyway.
        """
        rows = SqlActivations(tx.connection, self.seal)
        before, setting = rows.find(key), self._setting(key)
        if before is None:
            return None
        against, low = weighed(key, setting.holder.noticed), quiet(facts_of(before, setting))
        if outlived(was, against, calm=setting.holder.calm, quiet=low):
            was = None
        cleared = replace(put_back(before, was), **_word(left, setting, key))
        if cleared == before:
            return before
        found = judge(facts_of(cleared, setting))
        after = become(cleared, found, setting.now) or replace(cleared, serial=before.serial + 1)
        rows.put(after, expected=before.serial, due=due_at(facts_of(after, setting), setting, vouched=after.vouched))
        self._record(tx, verdict_of(after, "unkeep", _said(setting), before), by)
        self._taken(tx, after)
        if not asks and (after.state, after.why) != (before.state, before.why):
            self._ask(tx, after, setting)
        return after

    def _taken(self, tx: Transaction, after: Activation) -> None:
        """What a person took away is withdrawn everywhere, as what the machine takes is."""
        if after.state in _ENDED:
            key = after.key
            what = {"purpose": key.purpose, "action": key.action, "scope": key.scope, "state": after.state.value}
            self.withdrawer.begin(tx, agent=key.agent, cause=after.why, what=what)

    def _ask(self, tx: Transaction, after: Activation, setting: Setting) -> None:
        """Ask a person, if it needs one now."""
        if after.state in {ActivationState.NEEDS_HUMAN, ActivationState.SUSPENDED} and not passing(after):
            facts, agent = asked(after, setting), after.key.agent
            self.asker().ask(tx, kind="needs_human", agent=agent, about=after.id, why=after.why, facts=facts)

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


def _lapsed(before: Activation, lapsed: Under, by: Actor) -> Activation | None:
    """It as a person let it lapse; None if it has ended, or only a person starts it again."""
    if before.state not in _ENDED:
        after = replace(before, **lapsed._asdict(), under=None, by=by.person)
    elif passing(before) and (before.under is None or before.under.state not in _ENDED):
        after = replace(before, under=lapsed, by=by.person)
    else:
        return None
    return replace(after, serial=before.serial + 1)


def _word(left: Kept | None, setting: Setting, key: ActivationKey) -> dict[str, Any]:
    """What an activation says of who vouches for it: nobody, or whoever did beside."""
    if left is None or left.until <= setting.now:
        return {"vouched": EPOCH, "covers": (), "looked": EPOCH}
    against = weighed(key, setting.holder.noticed)
    covers = [each for each, since in against.items() if since <= left.looked] if left.shown is None else left.shown
    return {"vouched": left.until, "covers": tuple(sorted(covers)), "looked": left.looked}


def _starts_alone(setting: Setting) -> bool:
    """Whether a first use needs no person: else a word about something that never started would start it."""
    chosen = setting.rule is not None and setting.rule.first_use == "auto"
    return setting.tier in {Tier.LOW, Tier.MEDIUM} or (setting.tier is Tier.HIGH and chosen)


def _said(setting: Setting) -> dict[str, Any]:
    """A person's word is no function of the facts; they stand there all the same."""
    return {"by_hand": True, "tier": setting.tier.value, "risk": setting.holder.risk}
