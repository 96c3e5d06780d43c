"""Reading the log of a running server: by id, by position, newest first, with payloads opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection

from remit.audit.checkpoint import VerifierKey, parse
from remit.audit.contents import Contents, contents
from remit.audit.entry import SALT
from remit.audit.merkle import inclusion_proof
from remit.audit.ports import Keys
from remit.audit.source import Stretch
from remit.audit.sql import Bundle, SqlLog
from remit.audit.stored import frames, header, place, read_bundle
from remit.audit.tiles import range_hash_from
from remit.kernel.canonical import parse as parse_json
from remit.kernel.clock import MINUTE, Instant, parse_date_end
from remit.kernel.errors import IntegrityFailed, Malformed, NotFound
from remit.keys.seal import unseal
from remit.storage.ports import Reader

_STEP = 64  # bundles read at once
_FAR = 4096  # bundles after a decision in which its outcome is looked for
_DEEP = 20_000  # bundles back that `recent` looks
_LATE = 10 * MINUTE  # after which nothing is recorded any more

_LITERAL = re.compile(r"[A-Za-z0-9_.:/-]+\Z")  # what JSON writes as it is

Payload = dict[str, Any] | Literal["erased"] | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it was recorded. `index` is None until it has a position."""

    header: dict[str, Any]
    payload: Payload
    index: int | None


@dataclass(frozen=True, slots=True)
class Proved:
    """Entries with what shows that they stand in the log under one checkpoint."""

    checkpoint: str  # the newest
    first: int
    entries: Sequence[tuple[bytes, Sequence[bytes]]]  # header, inclusion proof


class Log:
    """The log of this server. Any thread."""

    def __init__(self, reader: Reader, keys: Keys) -> None:
        self._reader = reader
        self._keys = keys

    @property
    def key(self) -> VerifierKey:
        """What the log's checkpoints are verified with."""
        return VerifierKey(self._keys.log_key.origin, self._keys.log_key.public)

    def find(self, entry_id: str) -> Recorded:
        """The entry with this id, its payload opened.

        Raises:
            NotFound: There is none.
            IntegrityFailed: It is damaged, its index row points elsewhere, or its payload is not the committed one.
        """

        def query(connection: Connection) -> tuple[Bundle, int, bytes | None]:
            log = SqlLog(connection)
            at = log.place_of(entry_id)
            if at is None:
                raise NotFound("there is no such entry", detail=entry_id)
            bundle = log.bundle(at[0])
            if bundle is None:
                raise IntegrityFailed("an entry is missing from the log", detail=entry_id)
            return bundle, at[1], log.payloads(at[0])

        bundle, slot, sealed = self._reader.read(query)
        headers, problem = read_bundle(bundle.headers, bundle.count)
        if slot >= len(headers):
            raise IntegrityFailed("an entry of the log is damaged", detail=f"{entry_id}: {problem}")
        found = header(headers[slot])
        if found["id"] != entry_id:
            raise IntegrityFailed("the log's index points to another entry", detail=entry_id)
        index = None if bundle.first is None else bundle.first + slot
        return Recorded(found, self._payload(found, sealed, slot), index)

    def outcome_of(self, decision_id: str) -> dict[str, Any] | None:
        """The header of a decision's outcome entry, or None while there is none.

        It is looked for in the bundles after the decision's.
        """
        at = self._reader.read(lambda connection: SqlLog(connection).place_of(decision_id))
        if at is None:
            return None
        wanted = {"kind": "outcome", "decision": decision_id}
        for bundle in self._upwards(at[0] - 1, _FAR):
            headers, _ = read_bundle(bundle.headers, bundle.count)
            if decision_id.encode() in b"".join(headers):
                for _, entry in _newest_first(headers, wanted):
                    return entry
        return None

    def recent(self, limit: int, **filters: object) -> list[Recorded]:
        """The newest entries first, without payloads, whose header fields equal `filters` (kind, agent, code ...).

        A filter of None is none. Looks back a bounded way.
        """
        return list(islice(self._matching(filters, None), max(limit, 0)))

    def since(self, at: Instant, limit: int, /, **filters: object) -> list[Recorded]:
        """As `recent`, and no further back than what was recorded at `at`. What is a little older may be among them."""
        return list(islice(self._matching(filters, at), max(limit, 0)))

    def _matching(self, filters: Mapping[str, object], since: Instant | None) -> Iterator[Recorded]:
        wanted = {name: value for name, value in filters.items() if value is not None}
        for bundle in self._downwards(_DEEP):
            headers = read_bundle(bundle.headers, bundle.count)[0]
            # A commit's entries were made just before it, on whatever node: clocks are a little apart.
            if since is not None and headers and parse_date_end(header(headers[-1])["time"]) < since - _LATE:
                return
            for slot, entry in _newest_first(headers, wanted):
                yield Recorded(entry, None, None if bundle.first is None else bundle.first + slot)

    def horizon(self) -> str | None:
        """The time of the oldest entry that `recent` reaches, as it stands in it; None if it reaches all there are."""

        def query(connection: Connection) -> Bundle | None:
            log = SqlLog(connection)
            oldest = log.newest_bundle() - _DEEP
            return next(iter(log.after(oldest, 1)), None) if oldest > 0 else None

        row = self._reader.read(query)
        headers = read_bundle(row.headers, row.count)[0] if row is not None else []
        return str(header(headers[0])["time"]) if headers else None

    def back(self, take: Callable[[Recorded], bool], **filters: object) -> bool:
        """Hand entries to `take`, newest first, with opened payloads, until it says False or they are too far back.

        Args:
            take: Is given each entry whose header fields equal `filters`; whether it wants more.
            filters: As in `recent`.

        Returns:
            Whether there is nothing older that was not handed over.

        Raises:
            IntegrityFailed: A payload is damaged.
        """
        for number, bundle in enumerate(self._downwards(_DEEP + 1)):
            found = list(_newest_first(read_bundle(bundle.headers, bundle.count)[0], filters))
            sealed = self._reader.read(_payloads(bundle.bundle)) if found else None
            for slot, entry in found:
                index = None if bundle.first is None else bundle.first + slot
                if not take(Recorded(entry, self._payload(entry, sealed, slot), index)):
                    return False
            if number == _DEEP:
                return False
        return True

    def after(self, index: int, count: int = 1000) -> list[Recorded]:
        """Entries with positions above `index` (-1: from the start), up to `count`, without payloads: for following."""
        return [
            Recorded(header(entry), None, stretch.first + slot)
            for stretch in self.stretches(index + 1, count)
            for slot, entry in enumerate(stretch.headers)
        ]

    # what verifiers ask for ------------------------------------------------------------------

    def stretches(self, first: int, count: int) -> list[Stretch]:
        """What stands at positions first .. first+count-1, damage included; ends early where the log ends."""
        end = first + count
        found: list[Stretch] = []
        position = first
        while position < end:
            before = position
            for row in self._holding(position, min(_STEP, end - position)):
                position = _take(found, row, position, end)
            if position == before:
                break
        return found

    def entries(self, first: int, count: int) -> list[bytes]:
        """The headers at positions first .. first+count-1, fewer where the log ends.

        Raises:
            IntegrityFailed: One of them is damaged or missing.
        """
        found: list[bytes] = []
        for stretch in self.stretches(first, count):
            if stretch.problem or stretch.first != first + len(found):
                raise IntegrityFailed("an entry of the log is damaged", detail=stretch.problem)
            found += stretch.headers
        return found

    def contents(self, first: int, count: int) -> Contents:
        """What the payloads of the entries at first .. first+count-1 turn out to be once opened."""
        found, end, position, known = Contents(), first + count, first, cache(self._any_data_key)
        while position < end:
            before = position
            for row, sealed in self._with_payloads(position, min(_STEP, end - position)):
                if row.first is None or row.first >= end or row.first + row.count <= position:
                    continue
                headers, _ = read_bundle(row.headers, row.count)
                start, stop = max(position, row.first), min(row.first + row.count, end)
                parts, at = frames(sealed or b"")[0], slice(start - row.first, stop - row.first)
                found.add(contents(start, headers[at], parts[at], known))
                position = stop
            if position == before:
                break
        return found

    def sealed(self, first: int, most: int) -> list[Stretch]:
        """Whole bundles from the one at position `first` on, each with its payloads, until `most` entries are there."""
        found: list[Stretch] = []
        position = first
        while position < first + most:
            rows = [each for each in self._with_payloads(position, _STEP) if (each[0].first or 0) >= position]
            for row, sealed in rows:
                if row.first is not None and position < first + most:
                    read, problem = read_bundle(row.headers, row.count)
                    parts = frames(sealed or b"")[0]
                    found.append(Stretch(row.first, row.count, read, problem, row.bundle, parts))
                    position = row.first + row.count
            if not rows:
                break
        return found

    def any_data_key(self, owner: str) -> tuple[bytes | None, bool]:
        """An owner's data key, and whether one of theirs was ever erased."""
        return self._any_data_key(owner)

    def waiting(self) -> int:
        """How many entries have no position yet."""
        return self._reader.read(lambda connection: SqlLog(connection).waiting_entries())

    def checkpoint(self) -> str | None:
        """The newest checkpoint; None while nothing was signed."""
        return self._reader.read(lambda connection: SqlLog(connection).checkpoint())

    def tile(self, level: int, index: int) -> bytes | None:
        """A tile's hashes, or None."""
        return self._reader.read(lambda connection: SqlLog(connection).tile(level, index))

    def prove(self, first: int, count: int, *, size: int | None = None) -> Proved:
        """Up to `count` entries from position `first`, each with its inclusion proof under one checkpoint.

        Args:
            first: Position of the first.
            count: How many.
            size: Entries under the checkpoint that the proofs are for, if it is an older one than the newest.

        Raises:
            NotFound: No checkpoint covers `first`, or none of that size can have been signed yet.
            IntegrityFailed: An entry or tile is damaged.
        """
        note = self.checkpoint()
        newest = 0 if note is None else parse(note).size
        size = newest if size is None else size
        if note is None or not first < size <= newest:
            raise NotFound("no checkpoint covers that entry yet")
        headers = self.entries(first, min(count, size - first))

        def query(connection: Connection) -> list[list[bytes]]:
            ranges = range_hash_from(SqlLog(connection).tile)
            return [inclusion_proof(index=first + slot, size=size, range_hash=ranges) for slot in range(len(headers))]

        return Proved(note, first, list(zip(headers, self._reader.read(query), strict=True)))

    # ------------------------------------------------------------------------------------------

    def _payload(self, found: dict[str, Any], sealed: bytes | None, slot: int) -> Payload:
        commit, owner = found.get("payload_commit"), found.get("payload_key")
        if commit is None or not isinstance(owner, str):
            return None
        key = self._data_key(owner)
        if key is None:
            return "erased"
        parts, rest = frames(sealed or b"")
        if rest or slot >= len(parts):
            raise IntegrityFailed("a payload is missing from the log", detail=found["id"])
        try:
            plaintext = unseal(key, parts[slot], aad=place(found["id"]))
        except IntegrityFailed:
            if self._any_data_key(owner)[1]:  # what was sealed before an erasure
                return "erased"
            raise
        if sha256(plaintext).hexdigest() != commit:
            raise IntegrityFailed("a payload is not the one that was recorded", detail=found["id"])
        opened: dict[str, Any] = parse_json(plaintext[SALT:])
        return opened

    def _data_key(self, owner: str) -> bytes | None:
        try:
            return self._keys.data_key(owner)
        except NotFound:
            pass
        try:
            return self._reader.read(lambda connection: self._keys.load_data_key(connection, owner))
        except NotFound:
            return None

    def _any_data_key(self, owner: str) -> tuple[bytes | None, bool]:
        return self._data_key(owner), self._reader.read(lambda connection: self._keys.erased(connection, owner))

    def _with_payloads(self, position: int, most: int) -> list[tuple[Bundle, bytes | None]]:
        def query(connection: Connection) -> list[tuple[Bundle, bytes | None]]:
            log = SqlLog(connection)
            return [(row, log.payloads(row.bundle)) for row in log.holding(position, most)]

        return self._reader.read(query)

    def _holding(self, position: int, most: int) -> list[Bundle]:
        return self._reader.read(lambda connection: SqlLog(connection).holding(position, most))

    def _upwards(self, number: int, most: int) -> Iterator[Bundle]:
        for _ in range(0, most, _STEP):
            rows = self._reader.read(_after(number))
            yield from rows
            if len(rows) < _STEP:
                return
            number = rows[-1].bundle

    def _downwards(self, most: int) -> Iterator[Bundle]:
        number = self._reader.read(lambda connection: SqlLog(connection).newest_bundle()) + 1
        for _ in range(0, most, _STEP):
            rows = self._reader.read(_before(number))
            yield from rows
            if len(rows) < _STEP:
                return
            number = rows[-1].bundle


def _after(number: int) -> Callable[[Connection], list[Bundle]]:
    return lambda connection: SqlLog(connection).after(number, _STEP)


def _before(number: int) -> Callable[[Connection], list[Bundle]]:
    return lambda connection: SqlLog(connection).before(number, _STEP)


def _payloads(number: int) -> Callable[[Connection], bytes | None]:
    return lambda connection: SqlLog(connection).payloads(number)


def _newest_first(headers: Sequence[bytes], wanted: Mapping[str, object]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(slot, header) of the entries whose fields equal `wanted`, last first; what cannot be read is no match."""
    # Most entries of a busy log are ruled out without parsing.
    needles = [value.encode() for value in wanted.values() if isinstance(value, str) and _LITERAL.match(value)]
    for slot in range(len(headers) - 1, -1, -1):
        if all(needle in headers[slot] for needle in needles):
            try:
                entry = header(headers[slot])
            except Malformed:
                continue
            if all(entry.get(name) == value for name, value in wanted.items()):
                yield slot, entry


def _take(found: list[Stretch], row: Bundle, position: int, end: int) -> int:
    """Add what a row has of position..end-1 to `found`; the next position."""
    if row.first is None or row.first >= end or row.first + row.count <= position:
        return position
    if row.first > position:
        missing = min(row.first, end) - position
        found.append(Stretch(position, missing, [], "no row holds these positions"))
        position += missing
    headers, problem = read_bundle(row.headers, row.count)
    skip, stop = position - row.first, min(row.count, end - row.first)
    part = headers[skip:stop]
    found.append(Stretch(position, stop - skip, part, problem if len(part) < stop - skip or problem else ""))
    return row.first + stop
