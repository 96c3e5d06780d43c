"""Policy sets come, are observed, come into force and go: each step a change with its entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.policy.organisation import digest
from remit.policy.policy_set import PolicySet, SetState
from remit.policy.policy_set_sql import SqlPolicySets
from remit.policy.sql import SqlPolicies
from remit.storage.ports import Transaction

KEPT: Final = 200  # versions; of those neither in force nor observed, the oldest go
_MACHINE: Final = Actor(by="remit")
_TOPIC: Final = "policy_sets"
_WORDS: Final = {
    SetState.DRAFT: "put_aside",
    SetState.OBSERVE: "observe",
    SetState.ENFORCED: "enforce",
    SetState.RETIRED: "retire",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySets:
    """State changes of policy sets, each within a change."""

    records: Records

    def came_into_force(self, tx: Transaction, before: Mapping[str, str], *, by: Actor, now: Instant) -> str | None:
        """Note that the policies in force are others than `before`: which version they are; None if they are not.

        The same files under a version that is kept are that version again.
        """
        after, rows = SqlPolicies(tx.connection).all(), SqlPolicySets(tx.connection)
        if digest(after) == digest(before):
            return None
        standing = rows.in_state(SetState.ENFORCED)
        if before and (standing is None or standing.digest != digest(before)):
            # Brought in before sets were kept: without a version nobody could go back to it.
            self._add(tx, before, SetState.RETIRED, by=_MACHINE, now=now)
        if standing is not None:
            self._move(tx, standing, SetState.RETIRED, by=by, now=now)
        known = rows.with_digest(digest(after))
        if known is None:
            return self._add(tx, after, SetState.ENFORCED, by=by, now=now).version
        return self._move(tx, known, SetState.ENFORCED, by=by, now=now).version

    def observe(self, tx: Transaction, files: Mapping[str, str], *, by: Actor, now: Instant) -> PolicySet:
        """Put a set beside the one in force. One at a time: what was observed before is put aside.

        Raises:
            Conflict: It is what is in force.
        """
        rows, wanted = SqlPolicySets(tx.connection), digest(files)
        if wanted == digest(SqlPolicies(tx.connection).all()):
            raise Conflict("these policies are in force as they are: there is nothing to observe")
        observed = rows.in_state(SetState.OBSERVE)
        if observed is not None and observed.digest == wanted:
            return observed
        if observed is not None:
            self._move(tx, observed, SetState.DRAFT, by=by, now=now)
        known = rows.with_digest(wanted)
        if known is None:
            return self._add(tx, files, SetState.OBSERVE, by=by, now=now)
        return self._move(tx, known, SetState.OBSERVE, by=by, now=now)

    def put_aside(self, tx: Transaction, *, by: Actor, now: Instant) -> PolicySet | None:
        """Observe nothing any more; what was observed, if anything was."""
        observed = SqlPolicySets(tx.connection).in_state(SetState.OBSERVE)
        return None if observed is None else self._move(tx, observed, SetState.DRAFT, by=by, now=now)

    def _add(self, tx: Transaction, files: Mapping[str, str], state: SetState, *, by: Actor, now: Instant) -> PolicySet:
        rows = SqlPolicySets(tx.connection)
        kept = rows.all()
        number = 1 + max((each.number for each in kept), default=0)
        new = PolicySet(
            number=number, digest=digest(files), files=len(files), state=state, by=by.person, created=now, since=now
        )
        rows.put(new, files)
        self._record(tx, None, new, by=by)
        for old in [each for each in kept if each.state in {SetState.DRAFT, SetState.RETIRED}][KEPT:]:
            rows.remove(old.version)
            gone = Changed(what="policy_set", name=old.version, change="prune", before=old.body(), after=None)
            record(tx, self.records, gone, by=_MACHINE)
        return new

    def _move(self, tx: Transaction, value: PolicySet, state: SetState, *, by: Actor, now: Instant) -> PolicySet:
        moved = replace(value, state=state, since=now)
        SqlPolicySets(tx.connection).put(moved)
        self._record(tx, value, moved, by=by)
        return moved

    def _record(self, tx: Transaction, before: PolicySet | None, after: PolicySet, *, by: Actor) -> None:
        changed = Changed(
            what="policy_set",
            name=after.version,
            change=_WORDS[after.state],
            before=None if before is None else before.body(),
            after=after.body(),
            more={"digest": after.digest},
        )
        record(tx, self.records, changed, by=by)
        tx.touch(_TOPIC)
