"""What each step of a withdrawal does. Doing it twice comes to the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from remit.certification.withdrawal.ports import Brokered, Children, Found, Standing, Stands, Systems, SystemSilent
from remit.certification.withdrawal.sql import known
from remit.certification.withdrawal.withdraw import (
    Asked,
    Entitlement,
    Outcome,
    Present,
    Result,
    Step,
    Target,
    Withdrawal,
    ends_tokens,
    looked,
    targets,
    whole,
)
from remit.kernel.clock import SECOND, Clock
from remit.kernel.errors import RemitError
from remit.people.ports import Records
from remit.storage.ports import Reader, Transaction
from remit.tokens.ending import end_runs, open_purposes
from remit.tokens.revoked import topic

_ONE_TURN: Final = 30 * SECOND  # for one withdrawal with other systems, so that the next has its turn
Looks = Callable[[str], Standing]
Act = Callable[[Transaction], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """The steps, over the places where access ends. Worker threads only."""

    reader: Reader
    records: Records
    clock: Clock
    stands: Stands
    brokered: Brokered
    children: Children
    systems: Systems

    def looks(self) -> Looks:
        """Where agents stand, each looked at once for as long as this is used."""
        seen: dict[str, Standing] = {}

        def look(agent: str) -> Standing:
            if agent not in seen:
                seen[agent] = self.stands.standing(agent)
            return seen[agent]

        return look

    def act(self, withdrawal: Withdrawal, looks: Looks) -> Act | None:
        """What the next step does within a change; None if it needs other systems, and `away` is to be called."""
        try:
            return self._act(withdrawal, looks)
        except RemitError as error:
            # What cannot be looked at is not withdrawn, and holds no other withdrawal up.
            return _said(Result(Outcome.AGAIN, error.public))

    def _act(self, before: Withdrawal, looks: Looks) -> Act | None:
        match before.step:
            case Step.DECISION:
                return _said(looked(before, looks(before.agent).usable))
            case Step.TOKENS:
                return self._tokens(before, looks)
            case Step.BROKERED:
                return _said(_ended(self.brokered.end(before)))
            case Step.CHILDREN:
                return _said(_ended(self.children.end(before)))
            case Step.SYSTEMS:
                return None if self._targets(before) else _said(Result(Outcome.NONE, "no other system holds it"))
            case _:
                return None if before.pending else self._confirm(before, looks(before.agent), before.asked)

    # our own -----------------------------------------------------------------------------------

    def _tokens(self, before: Withdrawal, looks: Looks) -> Act:
        named = {each.purpose for each in before.what}
        if not ends_tokens(before.cause, left=False):
            return _said(Result(Outcome.KEPT, "it comes back by itself"))
        now = self.clock.now()
        found = self.reader.read(lambda c: open_purposes(c, before.agent, opened=before.begun, now=now))
        meant = [each for each in found if whole(before.cause) or "" in named or each in named]
        left = looks(before.agent).left
        purposes = tuple(each for each in meant if ends_tokens(before.cause, left=each in left))
        if not purposes:
            why = "other access stands on them" if meant else "no run is open"
            return _said(Result(Outcome.KEPT if meant else Outcome.NONE, why))

        def act(tx: Transaction) -> Result:
            count = self._end(tx, before, purposes)
            return Result(Outcome.DONE, f"runs ended with their tokens: {count}", ended=purposes)

        return act

    def _end(self, tx: Transaction, before: Withdrawal, purposes: Sequence[str]) -> int:
        """End runs, with the entries that say so; running calls of theirs are cut when the change is known."""
        ended = end_runs(tx.connection, before.agent, purposes, opened=before.begun, now=self.clock.now())
        for run, instance in ended:
            fields = {"what": "run", "name": run, "change": "end", "by": "remit", "agent": before.agent}
            tx.record(self.records.entry("change", fields | {"instance": instance, "withdrawal": before.id}))
            tx.touch(topic(run))
        return len(ended)

    def _confirm(self, before: Withdrawal, stands: Standing, asked: tuple[Asked, ...]) -> Act:
        """Read again what is Remit's own; with what other systems said, that decides."""
        look = looked(before, stands.usable)
        pending = [each for each in asked if each.present is not Present.ABSENT]

        def act(tx: Transaction) -> Result:
            # A run may have been renewed on another node while it ended here.
            runs = self._end(tx, before, before.ended) if before.ended else 0
            if look.outcome is Outcome.AGAIN:
                return replace(look, asked=asked)
            if look.outcome is Outcome.OVERTAKEN:
                told = f"; rights to give back in other systems by hand: {len(before.asked)}" if before.asked else ""
                return replace(look, told=look.told + told)
            if runs:
                return Result(Outcome.AGAIN, f"runs that were open again, and ended: {runs}", asked=asked)
            if pending:
                return Result(Outcome.AGAIN, _standing(pending), asked=asked)
            return Result(Outcome.DONE, "read again, and not there any more", asked=asked)

        return act

    # other systems -----------------------------------------------------------------------------

    def away(self, before: Withdrawal) -> Act:
        """The step with other systems, which may take long; what is returned writes down what it came to."""
        if before.step is Step.SYSTEMS:
            return _said(self._tell(before))
        stands = self.stands.standing(before.agent)
        return self._confirm(before, stands, self._reread(before, stands))

    def _targets(self, before: Withdrawal) -> list[Target]:
        covering = self.systems.covering()
        if not covering:
            return []

        def ever(connection: Connection) -> set[Entitlement]:
            return known(connection, before.agent)

        usable = self.stands.standing(before.agent).usable
        return targets(before, self.reader.read(ever), usable, covering)

    def _tell(self, before: Withdrawal) -> Result:
        asked = {each.target: each for each in before.asked}
        wanted, end = self._targets(before), self.clock.now() + _ONE_TURN
        silent: dict[str, str] = {}
        for target in wanted:
            if target in asked or target.system in silent:
                continue
            if self.clock.now() > end:
                return Result(Outcome.AGAIN, f"still to tell: {len(wanted) - len(asked)}", asked=tuple(asked.values()))
            try:
                asked[target] = Asked(target=target, token=self.systems.withdraw(target, before))
            except SystemSilent as error:
                silent[target.system] = error.public
        told = "; ".join(f"{system}: {why}" for system, why in silent.items())
        if told:
            return Result(Outcome.AGAIN, told, asked=tuple(asked.values()))
        return Result(Outcome.DONE, f"rights told to other systems: {len(asked)}", asked=tuple(asked.values()))

    def _reread(self, before: Withdrawal, stands: Standing) -> tuple[Asked, ...]:
        """What was told, as the systems have it now. One that still has it is told again.

        What was gone when another was still waited for is read once more when that is gone too: hours may lie between.
        """
        declared = {each.system for each in self.systems.covering()}
        back = {(each.purpose, each.action) for each in stands.usable}
        end, found = self.clock.now() + _ONE_TURN, list[Asked]()
        silent: set[str] = set()
        for each in before.asked:
            target = each.target
            gone = target.system not in declared or (target.purpose, target.action) in back
            if gone:
                continue  # an operator took the system out, or the access was given back: nothing to wait for
            if each.present is Present.ABSENT or target.system in silent or self.clock.now() > end:
                found.append(each)
                continue
            found.append(self._looked_at(each, before))
            if found[-1].present is Present.UNKNOWN:
                silent.add(target.system)
        if all(each.present is Present.ABSENT for each in found):
            earlier = {each.target for each in before.asked if each.present is Present.ABSENT}
            for at, each in enumerate(found):
                if each.target in earlier and self.clock.now() <= end:
                    found[at] = self._looked_at(each, before)
        return tuple(found)

    def _looked_at(self, each: Asked, before: Withdrawal) -> Asked:
        """One right, read again; what is still there is told again, and read once more."""
        present, token = self.systems.reread(each.target, before, each.token), each.token
        if present is Present.PRESENT:
            try:
                token = self.systems.withdraw(each.target, before) or token
            except SystemSilent:
                return replace(each, present=present)
            present = self.systems.reread(each.target, before, token)
        return Asked(target=each.target, token=token, present=present)


def _said(result: Result) -> Act:
    return lambda _tx: result


def _ended(found: Found) -> Result:
    return Result(Outcome.DONE if found.ended else Outcome.NONE, found.told)


def _standing(pending: Sequence[Asked]) -> str:
    """Which systems do not confirm, and how."""
    still = sorted({each.target.system for each in pending if each.present is Present.PRESENT})
    unknown = sorted({each.target.system for each in pending if each.present is Present.UNKNOWN})
    parts = [f"still there: {', '.join(still)}"] if still else []
    return "; ".join([*parts, *([f"no clear answer: {', '.join(unknown)}"] if unknown else [])])
