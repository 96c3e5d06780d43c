"""What the organisation declared comes and goes. `PolicyService.check_policies` validates it before."""

from __future__ import annotations

from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.policy.declared.model import Declaration
from remit.policy.declared.sql import SqlDeclarations
from remit.storage.ports import Transaction

TOPIC = "declarations"


class DeclarationFiles:
    """State changes of the declarations."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def put(self, tx: Transaction, file: str, declaration: Declaration, *, by: Actor) -> None:
        """Bring a file into force, within a change; nothing happens if it is in force as it is."""
        rows = SqlDeclarations(tx.connection)
        before = rows.all().get(file)
        if before != declaration:
            rows.put(file, declaration)
            self._record(tx, file, before, declaration, by=by)

    def remove(self, tx: Transaction, file: str, *, by: Actor) -> None:
        """Take a file out of force, within a change; nothing happens if there is none of that name."""
        rows = SqlDeclarations(tx.connection)
        before = rows.all().get(file)
        if before is not None:
            rows.remove(file)
            self._record(tx, file, before, None, by=by)

    def _record(
        self, tx: Transaction, file: str, before: Declaration | None, after: Declaration | None, *, by: Actor
    ) -> None:
        change = "create" if before is None else "remove" if after is None else "update"
        found = after or before
        changed = Changed(
            what="declaration",
            name=file,
            change=change,
            before=None if before is None else before.text,
            after=None if after is None else after.text,
            more=None if found is None else {"part": found.part.value},
        )
        record(tx, self._records, changed, by=by)
        tx.touch(TOPIC)
