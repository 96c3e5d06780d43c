"""Entries of the whole log that answer a question, the newest first, page by page.

Three parts, from the newest down: what has no position yet, the last positions, which the index does not cover yet, and
the index. The first two are read through; both are short while the index is kept up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from remit.audit.log import Recorded
from remit.audit.sql import Bundle, SqlLog
from remit.audit.stored import header, read_bundle
from remit.audit.terms import STRETCH, Sought, slots
from remit.audit.terms_sql import SqlTerms
from remit.kernel.errors import Malformed, NotFound
from remit.storage.ports import Reader

_FIRST_WINDOW: Final = 16  # stretches looked at first; then four times as many, and so on
_ALL: Final = (1 << STRETCH) - 1
_WAITING: Final = 20_000  # bundles without a position that are looked at
_READ: Final = 5000  # headers that one page reads; where it ends early, the next goes on there


@dataclass(slots=True)
class Found:
    """A page. `more`: the position to go on before, None at the end."""

    entries: list[Recorded] = field(default_factory=list)
    more: int | None = None


class Finder:
    """Asks the log. Any thread but the event loop's."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def page(self, sought: Sought, *, before: int | None = None, most: int) -> Found:
        """Up to `most` answers, newest first.

        Args:
            sought: What is asked for.
            before: Only entries of lower positions; None: from the newest on.
            most: How many; at least 1.
        """
        return self._reader.read(lambda connection: _Look(connection, sought, most).page(before))

    def count(self, sought: Sought) -> int:
        """How many entries have the terms that are asked for; times and the newest without a position are left out.

        Of what the index covers nothing is read, so two terms of one hash count as one.
        """
        return self._reader.read(lambda connection: _Look(connection, sought, 1).count())

    def position(self, entry: str) -> int:
        """The position of an entry by its id.

        Raises:
            NotFound: There is none, or it has no position yet.
        """

        def query(connection: Connection) -> int | None:
            log = SqlLog(connection)
            at = log.place_of(entry)
            bundle = None if at is None else log.bundle(at[0])
            return None if at is None or bundle is None or bundle.first is None else bundle.first + at[1]

        found = self._reader.read(query)
        if found is None:
            raise NotFound("there is no such entry, or it has no position yet", detail=entry[:80])
        return found


class _Look:
    """One page being looked for, in one read transaction."""

    def __init__(self, connection: Connection, sought: Sought, most: int) -> None:
        self._log, self._terms = SqlLog(connection), SqlTerms(connection)
        self._sought, self._most = sought, most
        self._read = 0
        self._bundle: tuple[Bundle, list[bytes]] | None = None

    def page(self, before: int | None) -> Found:
        found = Found()
        placed, covered = self._terms.placed(), self._terms.covered() * STRETCH
        if before is None:
            found.entries += self._without_position()
        end = placed if before is None else min(before, placed)
        for position in self._candidates(end, min(covered, placed)):
            if len(found.entries) >= self._most or self._read >= _READ:
                found.more = position + 1
                return found
            said = self._header(position)
            if said is not None and self._sought.takes(said):
                found.entries.append(Recorded(said, None, position))
        return found

    def count(self) -> int:
        placed, covered = self._terms.placed(), self._terms.covered() * STRETCH
        found = sum(bits.bit_count() for _, bits in self._meet(0, covered // STRETCH))
        for position in range(placed - 1, covered - 1, -1):
            said = self._header(position)
            found += said is not None and self._sought.takes(said)
        return found

    def _without_position(self) -> list[Recorded]:
        """The newest first; no more than a page has."""
        found: list[Recorded] = []
        for bundle in reversed(self._log.waiting(_WAITING)):
            for raw in reversed(read_bundle(bundle.headers, bundle.count)[0]):
                said = _readable(raw)
                if said is not None and len(found) < self._most and self._sought.takes(said):
                    found.append(Recorded(said, None, None))
        return found

    def _candidates(self, end: int, covered: int) -> Iterator[int]:
        """Positions below `end` that may be answers, downwards."""
        yield from range(end - 1, covered - 1, -1)
        high, window = -(-min(end, covered) // STRETCH), _FIRST_WINDOW
        while high > 0:
            low = max(0, high - window)
            for stretch, bits in self._meet(low, high):
                yield from (at for slot in slots(bits) if (at := stretch * STRETCH + slot) < end)
            high, window = low, window * 4

    def _meet(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """(stretch, places that have all terms), downwards."""
        sought = self._sought
        terms = [self._terms.places(term, low, high) for term in sought.terms()]
        timed = sought.since is not None or sought.until is not None
        within = self._terms.within(sought.since, sought.until, low, high) if timed else range(low, high)
        for stretch in sorted(within, reverse=True):
            bits = _ALL
            for places in terms:
                bits &= places.get(stretch, 0)
            if bits:
                yield stretch, bits

    def _header(self, position: int) -> dict[str, Any] | None:
        """The header at a position; None where it cannot be read."""
        held = self._bundle
        if held is None or not (held[0].first or 0) <= position < (held[0].first or 0) + held[0].count:
            rows = self._log.holding(position, 1)
            if not rows or rows[0].first is None:
                return None
            held = self._bundle = rows[0], read_bundle(rows[0].headers, rows[0].count)[0]
        self._read += 1
        slot = position - (held[0].first or 0)
        return _readable(held[1][slot]) if 0 <= slot < len(held[1]) else None


def _readable(raw: bytes) -> dict[str, Any] | None:
    try:
        return header(raw)
    except Malformed:
        return None
