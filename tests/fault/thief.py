"""Somebody who holds a data directory and its keyfile, and what they do to the log with both."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from remit.audit.checkpoint import Checkpoint, VerifierKey, parse, sign
from remit.audit.merkle import leaf_hash
from remit.audit.tiles import Tree
from remit.kernel.canonical import canonical
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.storage import bundle


@dataclass(frozen=True)
class Row:
    """One entry with all that belongs to it."""

    header: bytes
    payload: bytes

    @property
    def said(self) -> dict[str, Any]:
        """The header, read."""
        found: dict[str, Any] = json.loads(self.header)
        return found

    def saying(self, **changed: object) -> Row:
        """The entry with other words."""
        return Row(canonical({**self.said, **changed}), self.payload)


class Thief:
    """Works on the database file; nothing runs meanwhile."""

    def __init__(self, data: Path, keyfile: Path) -> None:
        self.file = data / "remit.db"
        self.keyfile = keyfile

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The database, written back."""
        with closing(sqlite3.connect(self.file)) as database, database:
            yield database

    def rows(self) -> list[Row]:
        """Every entry that has a position, in order."""
        found: list[Row] = []
        with self.database() as database:
            query = (
                "SELECT b.headers, p.sealed FROM bundles AS b LEFT JOIN payloads AS p ON p.bundle = b.bundle"
                " WHERE b.first IS NOT NULL ORDER BY b.first"
            )
            for headers, sealed in database.execute(query):
                parts = bundle.unpack(bundle.decompress(headers))
                payloads = bundle.unpack(sealed) if sealed else [b""] * len(parts)
                found += [Row(*pair) for pair in zip(parts, payloads, strict=True)]
        return found

    def find(self, wanted: Callable[[dict[str, Any]], bool]) -> int:
        """The position of the first entry that is wanted."""
        return next(index for index, row in enumerate(self.rows()) if wanted(row.said))

    def note(self) -> str:
        """The newest checkpoint."""
        with self.database() as database:
            (note,) = database.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
        return str(note)

    # what needs the database alone -----------------------------------------------------------------

    def at(self, database: sqlite3.Connection, index: int) -> tuple[int, int, list[bytes]]:
        """(bundle, slot, headers) of the entry at a position."""
        row = database.execute(
            "SELECT bundle, first, headers FROM bundles WHERE first <= ? ORDER BY first DESC LIMIT 1", (index,)
        ).fetchone()
        return row[0], index - row[1], bundle.unpack(bundle.decompress(row[2]))

    def put(self, database: sqlite3.Connection, number: int, headers: list[bytes]) -> None:
        """Store a bundle's headers."""
        packed = bundle.compress(bundle.pack(headers))
        database.execute("UPDATE bundles SET headers = ?, count = ? WHERE bundle = ?", (packed, len(headers), number))

    def drop(self, database: sqlite3.Connection, number: int) -> None:
        """Take a bundle out, with its index rows and payloads."""
        for table in ("bundles", "entries", "payloads"):
            database.execute(f"DELETE FROM {table} WHERE bundle = ?", (number,))  # noqa: S608 - names from this line

    # what needs the log's key ------------------------------------------------------------------------

    def keys(self) -> KeyRing:
        """Every key, opened with the keyfile."""
        engine = create_engine(f"sqlite:///{self.file}")
        with engine.connect() as connection:
            ring = KeyRing.open(connection, KeyfileProvider.load(self.keyfile))
        engine.dispose()
        return ring

    def sign(self, size: int, root: bytes) -> str:
        """A checkpoint, signed with the real key."""
        key = self.keys().log_key
        return sign(Checkpoint(key.origin, size, root), VerifierKey(key.origin, key.public), key.sign)

    def publish(self, note: str, *, alone: bool = True) -> None:
        """Make a note the newest checkpoint."""
        with self.database() as database:
            if alone:
                database.execute("DELETE FROM checkpoints")
            database.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (parse(note).size, note, 1))

    def rewrite(self, rows: list[Row]) -> None:
        """Make the whole log these entries: bundles, index, payloads, tiles, and one checkpoint signed with the key."""
        tree = Tree()
        tree.append([leaf_hash(row.header) for row in rows])
        tiles = [*tree.take_full(), *tree.partial()]
        with self.database() as database:
            for table in ("bundles", "entries", "payloads", "tiles"):
                database.execute(f"DELETE FROM {table}")  # noqa: S608 - names from this line
            for index, row in enumerate(rows):
                packed = bundle.compress(bundle.pack([row.header]))
                database.execute(
                    "INSERT INTO bundles (bundle, count, headers, first) VALUES (?, 1, ?, ?)",
                    (index + 1, packed, index),
                )
                database.execute("INSERT INTO entries VALUES (?, ?, 0)", (row.said["id"], index + 1))
                if row.payload:
                    database.execute("INSERT INTO payloads VALUES (?, ?)", (index + 1, bundle.pack([row.payload])))
            database.executemany(
                "INSERT INTO tiles VALUES (?, ?, ?)", [(tile.level, tile.index, tile.hashes) for tile in tiles]
            )
        self.publish(self.sign(len(rows), tree.root()))
