"""Small commits to SQLite in one row, and the filing of what they leave for later.

A commit writes every page that it touches, and waits for that. A decision touches five tables, each at another
page. So a small commit writes one row of `bundles` that holds all of it, and some commits later the writer files
what belongs elsewhere in one go: the index of entries, the sealed payloads, the used proofs. What is durable is
the same at every moment, only its place changes: a crash in between leaves rows that are filed when the database
is opened again, before anything else is done. Until then the writer knows them by heart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

_FEW = 8  # entries, and proofs: more of them share their pages anyway
_SMALL = 3000  # bytes that still leave room for another row on a page
_MOST = 64  # commits between two filings
_PREFIX = 3
_encode = msgspec.json.encode

INSERT_PROOFS = (
    "INSERT INTO proofs (key, expires) SELECT key, value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING"
)
_INSERT = "INSERT INTO bundles (count, headers, sealed, unfiled) VALUES (?, ?, ?, ?)"
_USED = "SELECT key FROM proofs WHERE key IN (SELECT value FROM json_each(?))"
_RECORDED = "SELECT entry FROM entries WHERE entry IN (SELECT value FROM json_each(?))"
_HIGHEST = "SELECT max(entry) FROM entries WHERE entry >= ? AND entry < ? || char(1114111)"
# Places are given in the order of the bundles, and only to what was filed.
_OLDEST = """
SELECT min(bundle), count(*) FROM bundles WHERE unfiled IS NOT NULL
AND bundle > coalesce((SELECT bundle FROM bundles WHERE first IS NOT NULL ORDER BY first DESC LIMIT 1), 0)
"""
# Rows that somebody else put there do not hold the writer up: they stay, and verification names them.
_FILE = (
    """
INSERT INTO entries (entry, bundle, slot) SELECT i.value, b.bundle, i.key
FROM bundles AS b, json_each(b.unfiled, '$.ids') AS i WHERE b.bundle >= ? AND b.unfiled IS NOT NULL
ON CONFLICT DO NOTHING
""",
    """
INSERT INTO payloads (bundle, sealed) SELECT bundle, sealed FROM bundles WHERE bundle >= ? AND sealed IS NOT NULL
ON CONFLICT DO NOTHING
""",
    """
INSERT INTO proofs (key, expires) SELECT p.key, p.value
FROM bundles AS b, json_each(b.unfiled, '$.proofs') AS p WHERE b.bundle >= ? AND b.unfiled IS NOT NULL
ON CONFLICT DO NOTHING
""",
    "UPDATE bundles SET sealed = NULL, unfiled = NULL WHERE bundle >= ? AND unfiled IS NOT NULL",
)


class Unfiled:
    """What stands in rows of `bundles` and is not filed yet. Belongs to the writer's thread and its connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._ids: set[str] = set()
        self._proofs: dict[str, int] = {}
        self._rows = 0
        self._oldest = 0  # the bundle to file from
        self._newest: dict[str, str] = {}  # the highest id of each kind: what sorts behind it is certainly new
        # Of the open transaction: they count once it is committed.
        self._new: tuple[int, Sequence[str]] | None = None
        self._taken: dict[str, int] = {}
        self._filing = False

    def __len__(self) -> int:
        """How many commits are to be filed."""
        return self._rows

    @property
    def many(self) -> bool:
        """Whether it is time to file them."""
        return self._rows >= _MOST

    def found(self) -> bool:
        """Look for what an end without farewell left; true if there is any."""
        self._oldest, self._rows = self._execute(_OLDEST).fetchone()
        return self._rows > 0

    def file(self) -> None:
        """File everything, within the open transaction."""
        if self._rows:
            for statement in _FILE:
                self._execute(statement, (self._oldest,))
            self._filing = True

    def take(self, proofs: Mapping[str, int]) -> set[str] | None:
        """Those of these proofs that were never used; they are from now on. None: too many to keep in one row."""
        if len(proofs) > _FEW:
            return None
        used = {key for (key,) in self._execute(_USED, (_encode(list(proofs)).decode(),))}
        self._taken = {key: at for key, at in proofs.items() if key not in used and key not in self._proofs}
        return set(self._taken)

    def store(self, ids: Sequence[str], headers: bytes, payloads: bytes | None) -> bool:
        """Append one bundle in one row; false if it is too large for that.

        Raises:
            IntegrityError: One of the ids is recorded already.
        """
        if len(ids) > _FEW or len(headers) + len(payloads or b"") > _SMALL:
            return False
        self._check(ids)
        unfiled = _encode({"ids": ids, "proofs": self._taken}).decode()
        bundle = self._execute(_INSERT, (len(ids), headers, payloads, unfiled)).lastrowid
        self._new = (bundle or 0, ids)
        return True

    def settle(self) -> None:
        """Give the proofs that were taken a place of their own, unless they stand in a row."""
        if self._taken and self._new is None:
            self._execute(INSERT_PROOFS, (_encode(self._taken).decode(),))
            self._taken = {}

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of these ids whose entries are not in the index yet."""
        return self._ids.intersection(ids)

    def seen(self, ids: Iterable[str]) -> None:
        """These ids are not certainly new any more."""
        for each in ids:
            self._newest[each[:_PREFIX]] = max(each, self._highest(each[:_PREFIX]))

    def committed(self) -> None:
        """The open transaction is durable."""
        if self._filing:
            self._ids, self._proofs, self._rows = set(), {}, 0
        if self._new is not None:
            bundle, ids = self._new
            self._oldest = self._oldest if self._rows else bundle
            self._rows += 1
            self._ids.update(ids)
            self._proofs.update(self._taken)
            self.seen(ids)
        self.undone()

    def undone(self) -> None:
        """The open transaction is no more."""
        self._new, self._taken, self._filing = None, {}, False

    def _check(self, ids: Sequence[str]) -> None:
        """An id that is recorded twice is refused here: the index would refuse it only when it is filed."""
        doubtful = [each for each in ids if each <= self._highest(each[:_PREFIX])]
        if len(set(ids)) != len(ids) or (doubtful and (self.known(doubtful) or self._indexed(doubtful))):
            raise sqlite3.IntegrityError("an entry is recorded already")

    def _highest(self, kind: str) -> str:
        """The highest id of a kind that was ever recorded; asked of the index once, when nothing else is known yet."""
        known = self._newest.get(kind)
        if known is None:
            known = self._newest[kind] = self._execute(_HIGHEST, (kind, kind)).fetchone()[0] or ""
        return known

    def _indexed(self, ids: Sequence[str]) -> bool:
        return self._execute(_RECORDED, (_encode(ids).decode(),)).fetchone() is not None
