"""Rotations within changes of state: begun, taken by one node, recorded step by step, each with its entries.

    ask       one begins, unless one is under way
    take      it is this node's for one step, under a number that every later taker raises
    reserve   the new version gets its place, its value sealed, before a provider hears of it
    record    what came of the step, and of the versions with it; from a node that lost it: nothing

Synchronous, on the writer's thread. Nothing here speaks to a provider (`rotating`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from remit.kernel.canonical import canonical
from remit.kernel.clock import SECOND, Clock, Instant, Micros, rfc3339
from remit.kernel.names import SecretName, new_id
from remit.keys.secret import Secret
from remit.people.change import Actor, Changed, record
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.storage.due import Claim, Due
from remit.storage.ports import Transaction
from remit.vault.document import Cause, Rotate
from remit.vault.document_json import document
from remit.vault.model import RESERVED, Material, Version, VersionState, topic
from remit.vault.rotation import (
    ENDED,
    Outcome,
    Rotation,
    Step,
    abandoned,
    after,
    asking,
    due,
    hurried,
    left,
    overdue,
    reserved,
)
from remit.vault.rotation_sql import SqlRotations, body
from remit.vault.rotation_wanted import also_of, leaves
from remit.vault.sql import SqlSecrets
from remit.vault.versions import Versions

KIND: Final = "rotation"  # in the table `due`, and in the log
CLAIMED: Final = Micros(15 * SECOND)
"""For how long a node has one step. Who was killed holds it up no longer; nobody asks a provider for as long."""
_NOTICED: Final = 100  # agents whose owners get a notice
_MACHINE: Final = Actor(by="remit")
_UNUSED: Final = (Step.CREATE, Step.VERIFY, Step.PROMOTE)  # calls do not use the new one yet


class Pager(Protocol):
    """Tells people outside (bound to what sends webhooks)."""

    def page(self, tx: Transaction, what: str, said: dict[str, Any]) -> None:
        """Within the change that it is about."""
        ...


class Nobody:
    """Tells nobody."""

    def page(self, tx: Transaction, what: str, said: dict[str, Any]) -> None:
        """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a step. `said`: for people, never a value. `made`: what the provider gave."""

    outcome: Outcome
    said: str = ""
    made: Material | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One step of a rotation that is this node's, with what stood in the database when it took it.

    `rotate`: as it was begun; before that as its document says, None if it says no more how. `versions`: whose values
    are held. `next_version`: of the one to be made.
    """

    claim: Claim
    node: str
    rotation: Rotation
    rotate: Rotate | None
    active: int
    versions: tuple[Version, ...]
    next_version: int

    def version(self, number: int) -> Version | None:
        """One of those that are held."""
        return next((each for each in self.versions if each.version == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotations:
    """The rules of `rotation`, applied to rows.

    Args:
        versions: Changes versions.
        records: Makes entries.
        clock: Says when.
        pager: Tells people outside of what should be gone and is not.
    """

    versions: Versions
    records: Records
    clock: Clock
    pager: Pager = Nobody()  # noqa: RUF009 - it has no state

    def ask(self, tx: Transaction, secret: SecretName, cause: Cause, by: Actor) -> Rotation | None:
        """Begin one within `tx`, or return the one that is under way; an exposure takes that one's drain away.

        One whose provider refuses, as people were told, is left (`rotation_wanted.leaves`).

        None where the secret's document does not say how it is changed, or not upon this event.
        """
        rows, now = SqlRotations(tx.connection), self.clock.now()
        stored = SqlSecrets(tx.connection)
        rotate, active = _rotate(stored, secret), stored.active(secret) or 0
        meant = rotate is not None and (cause in {Cause.AGE, Cause.ASKED} or cause in rotate.on)
        going = rows.under_way(secret)
        if going is not None and meant and leaves(going, cause, exposed=_exposed(stored, secret, active)):
            self.abandon(tx, going, by)
            going = None
        if going is not None:
            if cause is Cause.EXPOSURE:
                return self._hurried(tx, going, by)
            return self._also(tx, going, cause, by) if meant else going
        if rotate is None or not meant:
            return None
        begun = Rotation(
            rotation=new_id("rot"), secret=secret, cause=cause, by=by.person, new=0, old=active, step=Step.CREATE,
            started=now, since=now, drained=Micros(0) if cause is Cause.EXPOSURE else rotate.drain,
        )  # fmt: skip
        rows.add(begun)
        Due(tx.connection).put(KIND, begun.rotation, now)
        self._entry(tx, None, begun, "begin", by=by)
        tx.touch(topic(secret))
        return begun

    def take(self, tx: Transaction, rotation: str, *, node: str) -> Held | None:
        """Take its next step, if that is due and nobody's."""
        now = self.clock.now()
        claim = Due(tx.connection).claim(KIND, rotation, node=node, now=now, until=Instant(now + CLAIMED))
        if claim is None:
            return None
        it = SqlRotations(tx.connection).find(rotation)
        if it is None or it.step in ENDED:
            Due(tx.connection).remove(claim)
            return None
        if it.step is Step.CREATE and it.new:
            before, it = it, asking(it, now=now)
            SqlRotations(tx.connection).write(it, ended=None)
            self._entry(tx, before, it, "ask", by=_MACHINE)
        return _held(tx, claim, it, node=node)

    def reserve(self, tx: Transaction, held: Held, proposed: Material | None) -> Held | None:
        """Give the new version its place, before the provider is asked; None if the claim was lost.

        Where the provider chooses, something stands in for its value that opens nothing.
        """
        before = self._own(tx, held)
        if before is None or before.new or held.rotate is None:
            return None
        now, reserve = self.clock.now(), proposed or _stand_in(before)
        if SqlSecrets(tx.connection).newest(before.secret) + 1 != held.next_version:
            self.later(tx, held, now)  # another value was set meanwhile, and what was proposed may name its version
            return None
        made = self.versions.begin(tx, before.secret, reserve, now=now)
        changed = reserved(before, made.version, proposed=proposed is not None, rotate=held.rotate, now=now)
        SqlRotations(tx.connection).write(changed, ended=None)
        self._entry(tx, before, changed, "reserve", by=_MACHINE)
        self._version(tx, changed, made)
        return _held(tx, held.claim, changed, node=held.node)

    def record(self, tx: Transaction, held: Held, came: Came) -> Held | None:
        """Record what came of a step; the next one, if that is due at once. None: it is not this node's any more."""
        before, now = self._own(tx, held), self.clock.now()
        if before is None:
            return None
        came = self._changed(tx, before, came, now=now)
        changed = after(before, came.outcome, now=now, said=came.said)
        if before.step in _UNUSED and changed.step is Step.UNDO and not _pending(tx, before):
            changed = replace(changed, step=Step.UNDONE)  # nothing of it is here any more that could be taken back
        if tell := overdue(changed, now=now) or left(before, changed, came.outcome):
            changed = replace(changed, incident=now)
        ended = now if changed.step in ENDED else None
        SqlRotations(tx.connection).write(changed, ended=ended)
        self._entry(tx, before, changed, came.outcome.value, by=_MACHINE)
        if tell:
            self._incident(tx, changed, at=before.step if changed.step in ENDED else changed.step, now=now)
        return self._next(tx, held, changed, now=now)

    def later(self, tx: Transaction, held: Held, at: Instant) -> None:
        """Nothing was done, and nothing is recorded: it is due again at `at`."""
        Due(tx.connection).give_back(held.claim, at)

    def abandon(self, tx: Transaction, going: Rotation, by: Actor) -> None:
        """Leave one where it stands.

        Whoever has its step records nothing any more; its version stays here, and is looked for in answers.
        """
        now = self.clock.now()
        it = abandoned(going, now=now)
        SqlRotations(tx.connection).write(it, ended=now)
        Due(tx.connection).put(KIND, going.rotation, now)  # who takes it sees that it is over, and removes it
        self._entry(tx, going, it, "leave", by=by)

    # ------------------------------------------------------------------------------------------

    def _own(self, tx: Transaction, held: Held) -> Rotation | None:
        """The rotation as it is now (it may have been hurried meanwhile), if its step is still this node's."""
        if not Due(tx.connection).keeps(held.claim):
            return None
        now = SqlRotations(tx.connection).find(held.rotation.rotation)
        return now if now is not None and now.step is held.rotation.step else None

    def _next(self, tx: Transaction, held: Held, it: Rotation, *, now: Instant) -> Held | None:
        rows = Due(tx.connection)
        if it.step in ENDED:
            rows.remove(held.claim)
            return None
        at = due(it, now=now)
        rows.give_back(held.claim, at)
        return self.take(tx, it.rotation, node=held.node) if at <= now else None

    def _changed(self, tx: Transaction, it: Rotation, came: Came, *, now: Instant) -> Came:
        """What the step does to versions, within the change that records it."""
        match it.step, came.outcome:
            case (Step.CREATE, Outcome.OK) if came.made is not None:
                pending = _pending(tx, it)
                if pending is None:
                    return Came(Outcome.REFUSED, "its new version was ended here while the provider made it")
                self._version(tx, it, self.versions.fill(tx, pending, came.made))
            case (Step.PROMOTE, Outcome.OK):
                return self._promoted(tx, it, now=now)
            case (Step.CONFIRM, Outcome.OK) | (Step.REVOKE | Step.CONFIRM, Outcome.KEPT):
                self._over(tx, it, it.old, VersionState.REVOKED, now=now)
            case (Step.UNDO, Outcome.OK | Outcome.KEPT | Outcome.DOUBTFUL):
                self._over(tx, it, it.new, VersionState.FAILED, now=now)
        return came

    def _promoted(self, tx: Transaction, it: Rotation, *, now: Instant) -> Came:
        pending = _pending(tx, it)
        if pending is None or (SqlSecrets(tx.connection).active(it.secret) or 0) != it.old:
            # Whoever sets a value by hand knows better: what they set stays.
            return Came(Outcome.REFUSED, "another value was set meanwhile")
        before = self.versions.promote(tx, pending, now=now)
        for each in (before, replace(pending, state=VersionState.ACTIVE)):
            if each is not None:
                self._version(tx, it, each)
        return Came(Outcome.OK)

    def _over(self, tx: Transaction, it: Rotation, number: int, state: VersionState, *, now: Instant) -> None:
        found = SqlSecrets(tx.connection).version(it.secret, number)
        ends = VersionState.PENDING if state is VersionState.FAILED else VersionState.DRAINING
        if found is not None and found.state is ends:
            self._version(tx, it, self.versions.end(tx, found, state, now=now))

    def _hurried(self, tx: Transaction, going: Rotation, by: Actor) -> Rotation:
        quick = hurried(going)
        if quick != going:
            SqlRotations(tx.connection).write(quick, ended=None)
            self._entry(tx, going, quick, "hurry", by=by)
            Due(tx.connection).put(KIND, going.rotation, self.clock.now())
            tx.touch(topic(going.secret))
        return quick

    def _also(self, tx: Transaction, going: Rotation, cause: Cause, by: Actor) -> Rotation:
        """Should it come to nothing, it is begun again for this reason."""
        it = also_of(going, cause)
        if it != going:
            SqlRotations(tx.connection).write(it, ended=None)
            self._entry(tx, going, it, "cause", by=by)
        return it

    def _entry(self, tx: Transaction, before: Rotation | None, it: Rotation, change: str, *, by: Actor) -> None:
        """One entry for each step: which one, of which versions, why; `change` is what came of it."""
        changed = Changed(
            what=KIND, name=it.rotation, change=change, before=None if before is None else body(before), after=body(it),
            more={
                "secret": it.secret, "cause": it.cause.value, "step": (before or it).step.value, "next": it.step.value,
                "new": it.new, "old": it.old, **({"told": it.said} if it.said else {}),
            },
        )  # fmt: skip
        record(tx, self.records, changed, by=by)

    def _version(self, tx: Transaction, it: Rotation, version: Version) -> None:
        more = {"version": version.version, "state": version.state.value, "rotation": it.rotation}
        changed = Changed(what="secret", name=it.secret, change="rotate", before=None, after=None, more=more)
        record(tx, self.records, changed, by=_MACHINE)

    def _incident(self, tx: Transaction, it: Rotation, *, at: Step, now: Instant) -> None:
        """What should be gone may still open something: that is for people to look at, while it is tried further."""
        rows, document_ = SqlRotations(tx.connection), SqlSecrets(tx.connection).document(it.secret) or {}
        said = {
            "what": "rotation_unconfirmed", "rotation": it.rotation, "secret": it.secret, "step": at.value,
            "version": it.old if at in {Step.REVOKE, Step.CONFIRM} else it.new, "told": it.said,
            "owner": document_.get("owner", ""),
        }  # fmt: skip
        tx.record(self.records.entry("incident", said))
        self.pager.page(tx, "rotation_unconfirmed", said)
        notice = {"what": "rotation_unconfirmed", "reason": it.said, "secret": it.secret, "rotation": it.rotation}
        text = canonical(notice | {"at": rfc3339(now)}).decode()
        for agent in rows.users(it.secret, most=_NOTICED):
            SqlNotices(tx.connection).put(agent, text)


def _rotate(rows: SqlSecrets, secret: str) -> Rotate | None:
    """How a secret is changed, if its document says so."""
    said = rows.document(secret)
    return None if said is None else document(said).rotate


def _exposed(rows: SqlSecrets, secret: SecretName, active: int) -> bool:
    found = rows.version(secret, active) if active else None
    return found is not None and found.exposed is not None


def _held(tx: Transaction, claim: Claim, it: Rotation, *, node: str) -> Held:
    rows = SqlSecrets(tx.connection)
    versions = tuple(each for each in rows.versions(it.secret) if each.sealed is not None)
    return Held(
        claim=claim, node=node, rotation=it, active=rows.active(it.secret) or 0,
        rotate=Rotate(rotator=it.rotator, settings=it.settings) if it.rotator else _rotate(rows, it.secret),
        versions=versions, next_version=rows.newest(it.secret) + 1,
    )  # fmt: skip


def _stand_in(it: Rotation) -> Material:
    """What opens nothing, until the provider has chosen; its attributes say that it was never seen there."""
    return Material(value=Secret(secrets.token_urlsafe(32)), attributes={RESERVED: it.rotation})


def _pending(tx: Transaction, it: Rotation) -> Version | None:
    """The new version, while nobody ended it."""
    found = SqlSecrets(tx.connection).version(it.secret, it.new) if it.new else None
    return found if found is not None and found.state is VersionState.PENDING else None
