"""What the parts of the reviews service stand on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from remit.access.activation_seal import UNSEALED, Unsealed
from remit.kernel.clock import MINUTE, Clock, Instant, Micros
from remit.people.ports import Records
from remit.reviews.ports import Boundaries, Doubts, Hands, NoOpenings, Openings
from remit.reviews.subject import Subjects
from remit.storage.ports import Reader, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Ports and settings. `secret` decides where made-up questions stand; nobody else may know it."""

    writer: Writer
    reader: Reader
    records: Records
    clock: Clock
    hands: Hands
    boundaries: Boundaries
    doubts: Doubts
    secret: bytes
    openings: Openings = NoOpenings()  # noqa: RUF009 - it has no state
    seal: Unsealed = UNSEALED
    undo: Micros = Micros(10 * MINUTE)  # noqa: RUF009 - for how long an answer can be taken back before it is done

    def subjects(self, connection: Connection, now: Instant) -> Subjects:
        """Looks up what questions are about."""
        return Subjects(connection, self.doubts, now, self.seal)
