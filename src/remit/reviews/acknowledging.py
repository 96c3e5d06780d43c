"""Acknowledging: a named person has seen the whole set of boundaries in force, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from remit.access.sql import load_all
from remit.kernel.errors import Conflict, Malformed
from remit.kernel.names import new_id
from remit.people.change import Actor, Changed, record
from remit.reviews.acknowledgement import SHORTEST, Changes, changes, digest_of, kept, statement, typed
from remit.reviews.ground import Ground
from remit.reviews.model import Acknowledgement
from remit.reviews.sql import SqlAcknowledgements
from remit.storage.ports import Transaction

_MAX_NOTE = 1000
_MANY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAcknowledge:
    """The set as it is now, and what is different from the last time that somebody acknowledged it."""

    digest: str
    boundaries: Mapping[str, str]
    before: Acknowledgement | None
    changes: Changes


@dataclass(frozen=True, slots=True)
class Acknowledging:
    """Takes acknowledgements."""

    ground: Ground

    def now(self) -> ToAcknowledge:
        """What would be acknowledged now."""
        return self.ground.reader.read(self._now)

    def acknowledgements(self) -> list[Acknowledgement]:
        """The newest first."""
        return self.ground.reader.read(lambda connection: SqlAcknowledgements(connection).newest(most=_MANY))

    def acknowledge(self, digest: str, *, by: Actor, note: str = "") -> Acknowledgement:
        """Acknowledge the set of this digest, of which at least the first eight characters are said.

        Raises:
            Malformed: Less than eight characters, or the note is too long.
            Conflict: The set is another one by now.
        """
        if len(digest) < SHORTEST:
            raise Malformed(f"at least the first {SHORTEST} characters of the digest are needed")
        if len(note) > _MAX_NOTE or not note.isprintable():
            raise Malformed(f"a note is one line of at most {_MAX_NOTE} characters")

        def apply(tx: Transaction) -> Acknowledgement:
            found = self._now(tx.connection)
            if not typed(digest, found.digest):
                raise Conflict(
                    f"{digest[:16]} is not the set of boundaries in force now: that is {found.digest[:SHORTEST]}",
                    try_="look at it: remit review acknowledge",
                )
            said = Acknowledgement(
                id=new_id("ack"), by=by.person, at=self.ground.clock.now(), digest=found.digest, note=note,
                boundaries=found.boundaries,
            )  # fmt: skip
            SqlAcknowledgements(tx.connection).put(said)
            more: dict[str, Any] = {"digest": found.digest, "boundaries": len(found.boundaries), "note": note}
            changed = Changed(
                what="acknowledgement", name=said.id, change="boundaries_acknowledged", before=None, after=None,
                more=more,
            )  # fmt: skip
            record(tx, self.ground.records, changed, by=by)
            return said

        return self.ground.writer.change(apply)

    def _now(self, connection: Connection) -> ToAcknowledge:
        said = statement(load_all(connection))
        newest = SqlAcknowledgements(connection).newest(most=1)
        before, boundaries = next(iter(newest), None), kept(said)
        return ToAcknowledge(
            digest=digest_of(said),
            boundaries=boundaries,
            before=before,
            changes=changes({} if before is None else before.boundaries, boundaries),
        )
