"""The organisation's policy files come and go. They are validated before they are stored."""

from __future__ import annotations

from collections.abc import Mapping

from remit.kernel.clock import Instant
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.policy.policy_sets import PolicySets
from remit.policy.sql import SqlPolicies
from remit.storage.ports import Reader, Transaction


class PolicyFiles:
    """State changes of the policy files. The text is checked by `PolicyService.check_policies` before."""

    def __init__(self, *, reader: Reader, records: Records) -> None:
        self._reader = reader
        self._records = records

    def all(self) -> dict[str, str]:
        """Every file in force: name to text."""
        return self._reader.read(lambda connection: SqlPolicies(connection).all())

    def put(self, tx: Transaction, file: str, text: str, *, by: Actor) -> None:
        """Bring a file into force, within a change; nothing happens if it is in force as it is."""
        self._put(tx, file, SqlPolicies(tx.connection).find(file), text, by=by)

    def remove(self, tx: Transaction, file: str, *, by: Actor) -> None:
        """Take a file out of force, within a change; nothing happens if there is none of that name."""
        self._put(tx, file, SqlPolicies(tx.connection).find(file), None, by=by)

    def become(self, tx: Transaction, files: Mapping[str, str], *, by: Actor) -> None:
        """Bring exactly these files into force, within a change."""
        before = SqlPolicies(tx.connection).all()
        for file in [*sorted(before.keys() - files.keys()), *sorted(files)]:
            self._put(tx, file, before.get(file), files.get(file), by=by)

    def settled(self, tx: Transaction, before: Mapping[str, str], *, by: Actor, now: Instant) -> str | None:
        """Keep what is in force now as a version, if it is not `before`; which version it is."""
        return PolicySets(records=self._records).came_into_force(tx, before, by=by, now=now)

    def _put(self, tx: Transaction, file: str, before: str | None, after: str | None, *, by: Actor) -> None:
        """Make what is in force as `before` be in force as `after`; None: it is not."""
        if before == after:
            return
        rows = SqlPolicies(tx.connection)
        if after is None:
            rows.remove(file)
        else:
            rows.put(file, after)
        self._record(tx, file, before, after, by=by)

    def _record(self, tx: Transaction, file: str, before: str | None, after: str | None, *, by: Actor) -> None:
        change = "create" if before is None else "remove" if after is None else "update"
        changed = Changed(what="policy", name=file, change=change, before=before, after=after)
        record(tx, self._records, changed, by=by)
        tx.touch("policies")
