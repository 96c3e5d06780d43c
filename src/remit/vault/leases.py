"""Leases within changes of state: begun, made, ended, taken by one node to be revoked, each with its entries.

    begin       it is recorded, before its provider is asked for anything
    found_by    what its provider will find it by, before it is made
    live        it was made
    end         no call may use it any more, and it is due to be taken away
    take        it is this node's for one attempt, under a number that every later taker raises
    record      what came of that; from a node that lost it: nothing

Synchronous, on the writer's thread. Nothing here speaks to a provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from remit.kernel.canonical import canonical
from remit.kernel.clock import SECOND, Clock, Instant, Micros, rfc3339
from remit.people.change import Actor, Changed, record
from remit.people.notices import SqlNotices
from remit.people.ports import Records
from remit.storage.due import Claim, Due
from remit.storage.ports import Transaction
from remit.vault.document_json import document
from remit.vault.lease import OPEN, Lease, LeaseState, Why, due, ending, late, made, overdue, tried
from remit.vault.lease_sql import SqlLeases, body
from remit.vault.maker import Made
from remit.vault.rotations import Nobody, Pager
from remit.vault.sql import SqlSecrets

KIND: Final = "lease"  # in the table `due`, and in the log
TOPIC: Final = "lease:"
CLAIMED: Final = Micros(15 * SECOND)
"""For how long a node has one attempt. Who was killed holds it up no longer; nobody asks a provider for as long."""
_MACHINE: Final = Actor(by="remit")


@dataclass(frozen=True, slots=True)
class Taken:
    """One attempt that is this node's."""

    claim: Claim
    lease: Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """The rules of `lease`, applied to rows.

    Args:
        records: Makes entries.
        clock: Says when.
        pager: Tells people outside of what should be gone and is not.
    """

    records: Records
    clock: Clock
    pager: Pager = Nobody()  # noqa: RUF009 - it has no state

    def begin(self, tx: Transaction, it: Lease) -> None:
        """Record that it is going to be made."""
        SqlLeases(tx.connection).add(it)
        self._entry(tx, None, it, "begin", by=_MACHINE)

    def found_by(self, tx: Transaction, lease: str, handle: Mapping[str, str]) -> bool:
        """Record what it will be found by; False if it ended meanwhile, and must not be made."""
        before, now = SqlLeases(tx.connection).find(lease), self.clock.now()
        if before is None:
            return False
        if before.state is LeaseState.MAKING:
            self._write(tx, before, replace(before, handle=dict(handle)), "prepare")
            return True
        self._late(tx, before, handle, now=now)
        return False

    def live(self, tx: Transaction, lease: str, it: Made) -> Lease | None:
        """It was made. None: it had ended here before, and is due to be taken away again."""
        before, now = SqlLeases(tx.connection).find(lease), self.clock.now()
        if before is None:
            return None
        if before.state is not LeaseState.MAKING:
            self._late(tx, before, it.handle, now=now)
            return None
        after = made(before, it.handle, until=it.ends, now=now)
        self._write(tx, before, after, "make")
        return after

    def end(self, tx: Transaction, lease: str, why: Why, *, detail: str = "", by: Actor = _MACHINE) -> Lease | None:
        """From now on no call may use it. None: there is no such lease, or it is over or ending already."""
        before, now = SqlLeases(tx.connection).find(lease), self.clock.now()
        if before is None or before.state not in OPEN:
            return None
        after = ending(before, why, now=now, detail=detail)
        self._write(tx, before, after, "end", by=by)
        Due(tx.connection).put(KIND, lease, now)
        return after

    def take(self, tx: Transaction, lease: str, *, node: str) -> Taken | None:
        """Take one attempt to take it away, if that is due and nobody's."""
        now, rows = self.clock.now(), Due(tx.connection)
        claim = rows.claim(KIND, lease, node=node, now=now, until=Instant(now + CLAIMED))
        if claim is None:
            return None
        it = SqlLeases(tx.connection).find(lease)
        if it is None or it.state is not LeaseState.ENDING:
            rows.remove(claim)
            return None
        return Taken(claim, it)

    def record(self, tx: Transaction, taken: Taken, *, gone: bool, said: str = "") -> Lease | None:
        """Record what came of an attempt. None: it is not this node's any more, and nothing is recorded."""
        rows, now = Due(tx.connection), self.clock.now()
        before = SqlLeases(tx.connection).find(taken.lease.lease)
        if not rows.keeps(taken.claim) or before is None or before.state is not LeaseState.ENDING:
            return None
        if before.handle != taken.lease.handle:  # it was made meanwhile: what was looked for was less than that
            rows.give_back(taken.claim, now)
            return None
        after = tried(before, gone=gone, said=said, now=now)
        if unseen := overdue(after, now=now):
            after = replace(after, incident=now)
        self._write(tx, before, after, "confirm" if gone else "retry")
        if unseen:
            self._incident(tx, after, now=now)
        if gone:
            rows.remove(taken.claim)
        else:
            rows.give_back(taken.claim, due(after, now=now))
        return after

    # ------------------------------------------------------------------------------------------

    def _late(self, tx: Transaction, before: Lease, handle: Mapping[str, str], *, now: Instant) -> None:
        """It has ended here, and is there at its provider: it is taken away, again if need be."""
        self._write(tx, before, late(before, handle, now=now), "late")
        Due(tx.connection).put(KIND, before.lease, now)

    def _write(self, tx: Transaction, before: Lease, after: Lease, change: str, *, by: Actor = _MACHINE) -> None:
        SqlLeases(tx.connection).write(after)
        self._entry(tx, before, after, change, by=by)

    def _entry(self, tx: Transaction, before: Lease | None, it: Lease, change: str, *, by: Actor) -> None:
        said = {"why": it.why, "told": it.said or it.detail, "incident": it.incident is not None}
        changed = Changed(
            what=KIND, name=it.lease, change=change, before=None if before is None else body(before), after=body(it),
            more={
                "secret": it.secret, "agent": it.agent, "instance": it.instance, "state": it.state.value,
                **{name: value for name, value in said.items() if value},
            },
        )  # fmt: skip
        record(tx, self.records, changed, by=by)
        tx.touch(TOPIC + it.lease)

    def _incident(self, tx: Transaction, it: Lease, *, now: Instant) -> None:
        """What should be gone may still open something: that is for people to look at, while it is tried further."""
        said = SqlSecrets(tx.connection).document(it.secret)
        told: dict[str, Any] = {
            "what": "lease_unconfirmed", "lease": it.lease, "secret": it.secret, "agent": it.agent,
            "instance": it.instance, "why": it.why, "told": it.said,
            "owner": "" if said is None else document(said).owner,
        }  # fmt: skip
        tx.record(self.records.entry("incident", told))
        self.pager.page(tx, "lease_unconfirmed", told)
        notice = {"what": "lease_unconfirmed", "reason": it.said, "secret": it.secret, "lease": it.lease}
        SqlNotices(tx.connection).put(it.agent, canonical(notice | {"at": rfc3339(now)}).decode())
