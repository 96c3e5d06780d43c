"""Proofs of a running server's log: entries stand under a checkpoint, one checkpoint continues another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection

from remit.audit.checkpoint import parse
from remit.audit.log import Log
from remit.audit.merkle import consistency_proof, inclusion_proof
from remit.audit.sql import Signed, SqlLog
from remit.audit.tiles import range_hash_from
from remit.kernel.errors import NotFound
from remit.storage.ports import Reader


@dataclass(frozen=True, slots=True)
class Standing:
    """Entries at their positions, each with its inclusion proof, under one checkpoint."""

    note: str
    entries: Sequence[tuple[int, bytes, Sequence[bytes]]]  # position, header, proof


@dataclass(frozen=True, slots=True)
class Continued:
    """Two checkpoints, and the proof that the later one continues the earlier (RFC 9162 section 2.1.4)."""

    old: str
    new: str
    proof: Sequence[bytes]


class Proving:
    """Makes proofs. Any thread but the event loop's."""

    def __init__(self, reader: Reader, log: Log) -> None:
        self._reader = reader
        self._log = log

    def key(self) -> str:
        """What the log's checkpoints are verified with."""
        return self._log.key.text()

    def standing(self, positions: Sequence[int], *, note: str | None = None) -> Standing:
        """Those of the positions that a checkpoint covers, proved under it (None: the newest).

        Raises:
            NotFound: Nothing was signed yet.
            IntegrityFailed: An entry or a tile is damaged.
        """
        note = note or self._log.checkpoint()
        if note is None:
            raise NotFound("the log has no checkpoint yet")
        size = parse(note).size
        covered = [at for at in positions if 0 <= at < size]
        headers = [self._log.entries(at, 1) for at in covered]

        def query(connection: Connection) -> list[list[bytes]]:
            ranges = range_hash_from(cache(SqlLog(connection).tile))
            return [inclusion_proof(index=at, size=size, range_hash=ranges) for at in covered]

        proofs = self._reader.read(query)
        rows = zip(covered, headers, proofs, strict=True)
        return Standing(note, [(at, raw[0], proof) for at, raw, proof in rows if raw])

    def checkpoints(self, most: int) -> Sequence[Signed]:
        """Those that are kept (the newest of each minute), the newest first."""
        return self._reader.read(lambda connection: SqlLog(connection).checkpoints(most))

    def at(self, size: int) -> str:
        """The checkpoint of that size.

        Raises:
            NotFound: None of that size is kept.
        """
        note = self._reader.read(lambda connection: SqlLog(connection).checkpoint_of(size))
        if note is None:
            raise NotFound("no checkpoint of that size is kept", try_="remit audit checkpoint")
        return note

    def continued(self, *, old: int, new: int) -> Continued:
        """That the log of `new` entries begins with that of `old`; both are sizes of checkpoints that are kept.

        Raises:
            NotFound: One of them is not.
            ProofInvalid: `old` is 0 or beyond `new`.
            IntegrityFailed: A tile is damaged.
        """
        notes = self.at(old), self.at(new)

        def query(connection: Connection) -> list[bytes]:
            return consistency_proof(old=old, new=new, range_hash=range_hash_from(cache(SqlLog(connection).tile)))

        return Continued(*notes, self._reader.read(query))
