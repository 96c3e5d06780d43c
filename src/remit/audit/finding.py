"""Entries of the whole log that answer a question, the newest first, page by page.

Three parts, from the newest down: what has no position yet, the last positions, which the index does not cover yet, and
the index. The first two are read through; both are short while the index is kept up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any, Final

from sqlalchemy import Connection

from remit.audit.log import Recorded
from remit.audit.sql import Bundle, SqlLog
from remit.audit.stored import Unfolding, header, read_bundle
from remit.audit.terms import STRETCH, Sought, slots, term, unpacked
from remit.audit.terms_sql import SqlTerms
from remit.kernel.errors import Malformed, NotFound
from remit.storage.ports import Reader

_FIRST_WINDOW: Final = 16  # stretches looked at first; then four times as many, and so on
_BLOCK: Final = 64  # positions read at once where all are
_ALL: Final = (1 << STRETCH) - 1
_WAITING: Final = 20_000  # bundles without a position that are looked at
_FEW: Final = 8  # agents whose places are looked up one by one
_READ: Final = 5000  # headers that one page reads; where it ends early, the next goes on there


@dataclass(slots=True)
class Found:
    """A page. `more`: the position to go on before, None at the end. `places`: where each entry stands, or will."""

    entries: list[Recorded] = field(default_factory=list)
    more: int | None = None
    places: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """How many decisions a run has, and how many of them refuse.

    `whole`: all were counted. While the index is far behind, as after an upgrade, what lies between is not.
    """

    calls: int = 0
    denied: int = 0
    whole: bool = True


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

    def tally(self, runs: Collection[str]) -> dict[str, Tally]:
        """The decisions of each of these runs, counted; what has no position yet is left out.

        What the index does not cover is read through, but for what is more than a page may read.
        """
        return self._reader.read(lambda connection: _Look(connection, Sought(), 1).tally(runs))

    def outcomes(self, decisions: Mapping[str, int], agents: Collection[str]) -> dict[str, dict[str, Any]]:
        """The headers of the outcomes of these decisions (id to position), where there are any near behind them."""
        return self._reader.read(lambda connection: _Look(connection, Sought(), 1).outcomes(decisions, agents))

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
        self._placed, self._covered = self._terms.placed(), self._terms.covered()
        self._bundles: list[tuple[Bundle, Unfolding]] = []  # what was read last

    def page(self, before: int | None) -> Found:
        found = Found()
        placed, covered = self._placed, self._covered * STRETCH
        for position, said in self._without_position(before):
            if len(found.entries) >= self._most:
                found.more = position + 1
                return found
            if said is not None and self._sought.takes(said):
                found.entries.append(Recorded(said, None, None))
                found.places.append(position)
        end = placed if before is None else min(before, placed)
        for position in self._candidates(end, min(covered, placed)):
            if len(found.entries) >= self._most or self._read >= _READ:
                found.more = position + 1
                return found
            said = self._header(position)
            if said is not None and self._sought.takes(said):
                found.entries.append(Recorded(said, None, position))
                found.places.append(position)
        return found

    def count(self) -> int:
        placed, covered = self._placed, self._covered * STRETCH
        found = sum(bits.bit_count() for _, bits in self._meet(0, covered // STRETCH))
        for position in range(placed - 1, covered - 1, -1):
            said = self._header(position)
            found += said is not None and self._sought.takes(said)
        return found

    def tally(self, runs: Collection[str]) -> dict[str, Tally]:
        covered = self._covered
        of = {run: self._terms.places(term("run", run), 0, covered) for run in runs}
        stretches = {stretch for places in of.values() for stretch in places}
        low, high = min(stretches, default=0), max(stretches, default=-1) + 1
        kinds = self._terms.places(term("kind", "decision"), low, high)
        refused = self._terms.places(term("answer", "deny"), low, high)
        found = {}
        for run in runs:
            tally = found[run] = Tally(whole=self._placed - covered * STRETCH <= _READ)
            for stretch, places in of[run].items():
                calls = places & kinds.get(stretch, 0)
                tally.calls += calls.bit_count()
                tally.denied += (calls & refused.get(stretch, 0)).bit_count()
        for position in range(max(covered * STRETCH, self._placed - _READ), self._placed):
            said = self._header(position) or {}
            if said.get("kind") == "decision" and (at := found.get(str(said.get("run")))) is not None:
                at.calls += 1
                at.denied += said.get("decision") == "deny"
        return found

    def outcomes(self, decisions: Mapping[str, int], agents: Collection[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        if not decisions:
            return found
        places, begun = sorted(decisions.values()), 0
        for position in self._upwards(places[0], agents):
            while begun < len(places) and places[begun] < position:
                begun += 1
            if begun == len(found):  # those before here are over: this one is of another call
                continue
            said = self._header(position)
            if said is not None and said.get("kind") == "outcome" and said.get("decision") in decisions:
                found[said["decision"]] = said
            if len(found) == len(decisions) or self._read >= _READ:
                break
        return found

    def _upwards(self, low: int, agents: Collection[str]) -> Iterator[int]:
        """Positions from `low` on that may be outcomes of calls of these agents."""
        covered, placed = self._covered, self._placed
        few = len(agents) <= _FEW
        for first in range(low // STRETCH, covered, _FIRST_WINDOW):
            end = min(first + _FIRST_WINDOW, covered)
            outcomes = self._terms.places(term("kind", "outcome"), first, end)
            of = [self._terms.places(term("agent", agent), first, end) for agent in agents] if few else []
            for stretch in sorted(outcomes):
                theirs = reduce(or_, (places.get(stretch, 0) for places in of), 0) if few else _ALL
                bits = outcomes[stretch] & theirs
                yield from (at for slot in sorted(slots(bits)) if (at := stretch * STRETCH + slot) > low)
        yield from range(max(low + 1, covered * STRETCH), placed)

    def _without_position(self, before: int | None) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """The newest first, each with the position that it will have: a page may end between them."""
        if before is not None and before <= self._placed:
            return
        bundles = self._log.waiting(_WAITING)
        first = self._placed + sum(bundle.count for bundle in bundles)
        for bundle in reversed(bundles):
            first -= bundle.count
            headers = read_bundle(bundle.headers, bundle.count)[0]
            for position, raw in reversed(list(enumerate(headers, first))):
                if before is None or position < before:
                    yield position, _readable(raw)

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
        terms = list[Mapping[int, bytes]]()
        for each in sought.terms():
            terms.append(self._terms.packed(each, low, high))
            if not terms[-1]:  # nothing here has it: what is seldom is looked for through the whole log
                return
            low, high = min(terms[-1]), max(terms[-1]) + 1  # the others matter there alone
        timed = sought.since is not None or sought.until is not None
        within = self._terms.within(sought.since, sought.until, low, high) if timed else range(low, high)
        for stretch in sorted(set(within).intersection(*terms), reverse=True):
            bits = _ALL
            for places in terms:
                bits &= unpacked(places[stretch])
            if bits:
                yield stretch, bits

    def _header(self, position: int) -> dict[str, Any] | None:
        """The header at a position; None where it cannot be read."""
        self._read += 1
        found = self._held(position)
        if found is None:
            # What the index does not cover is read through, so there the neighbours come along.
            many = 1 if position < self._covered * STRETCH else _BLOCK
            rows = self._log.holding(position - position % many, many)
            self._bundles = [(row, Unfolding(row.headers, row.count)) for row in rows if row.first is not None]
            found = self._held(position)
        return None if found is None else _readable(found)

    def _held(self, position: int) -> bytes | None:
        for bundle, headers in self._bundles:
            if (found := headers.at(position - (bundle.first or 0))) is not None:
                return found
        return None


def _readable(raw: bytes) -> dict[str, Any] | None:
    try:
        return header(raw)
    except Malformed:
        return None
