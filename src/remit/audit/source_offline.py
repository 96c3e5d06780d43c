"""A data directory's log, read without the server and also while it runs.

SQLite is opened read-only through the standard library, and everything is read in one
snapshot. Values are taken for what they are: a row edited by hand may hold anything.
"""

from __future__ import annotations

import base64
import hmac
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from remit.audit.checkpoint import VerifierKey
from remit.audit.contents import Contents, contents
from remit.audit.seal import LABELS, StateKeys
from remit.audit.source import State, Stretch
from remit.audit.standing import check, standings
from remit.audit.stored import frames, header, read_bundle
from remit.kernel.canonical import parse
from remit.kernel.errors import ConfigInvalid, IntegrityFailed, Malformed, NotFound, StorageUnavailable
from remit.keys.offline import OfflineKeys
from remit.keys.ports import Provider

if TYPE_CHECKING:
    from sqlalchemy import Connection

DATABASE = "remit.db"
_CHUNK = 500
_UNFILED = "first IS NULL AND unfiled IS NOT NULL"
Rows = Callable[[str, Sequence[Any]], Iterator[tuple[Any, ...]]]


def open_offline(where: Path | str) -> OfflineSource:
    """The log in a data directory, a SQLite file, or a PostgreSQL database (`postgresql://...`).

    Raises:
        NotFound: There is no database.
        StorageUnavailable: It cannot be read now.
        ConfigInvalid: PostgreSQL without its driver.
    """
    if isinstance(where, str) and "://" in where:
        return _open_postgres(where)
    path = Path(where)
    path = path / DATABASE if path.is_dir() else path
    if not path.is_file():
        raise NotFound("there is no database here", detail=str(path))
    return _open_sqlite(path)


def _open_sqlite(path: Path) -> OfflineSource:
    url = f"file:{quote(str(path.absolute()))}?mode=ro"
    # Without a write-ahead log beside it the file is all there is, also on a read-only disk.
    if not path.with_name(path.name + "-wal").exists():
        url += "&immutable=1"
    try:
        connection = sqlite3.connect(url, uri=True, isolation_level=None)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("BEGIN")
    except sqlite3.OperationalError as error:
        raise StorageUnavailable("the database cannot be read", detail=str(error)) from error

    def rows(query: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from connection.execute(query, values)
        except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError) as error:
            raise IntegrityFailed("the database file is damaged", detail=str(error)) from error

    def tables() -> Connection:
        face = _face("sqlite://", connection)  # which ends what was begun
        connection.execute("BEGIN")
        return face

    return OfflineSource(rows, connection.close, tables)


def _open_postgres(url: str) -> OfflineSource:
    try:
        import psycopg  # noqa: PLC0415 - the driver is an extra
    except ImportError as error:
        raise ConfigInvalid(
            "PostgreSQL needs its driver, which is not installed", try_="pip install 'remit[postgres]'"
        ) from error
    try:
        connection = psycopg.connect(url)
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    except psycopg.Error as error:
        raise StorageUnavailable("the database cannot be reached", detail=str(error)) from error

    def rows(query: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        try:
            with connection.cursor() as cursor:
                yield from cursor.stream(query.replace("?", "%s").encode(), values)
        except psycopg.Error as error:
            raise StorageUnavailable("the database cannot be read", detail=str(error)) from error

    return OfflineSource(rows, connection.close, lambda: _face("postgresql+psycopg://", connection))


def _face(url: str, connection: object) -> Connection:
    """SQLAlchemy's face of an open connection, which stays its owner's."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - only where a room's own queries are asked for
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415 - the same

    return create_engine(url, creator=lambda: connection, poolclass=StaticPool, pool_reset_on_return=None).connect()


class OfflineSource:
    """Implements remit.audit.source.Source on the log's tables; one snapshot."""

    def __init__(self, rows: Rows, close: Callable[[], None], tables: Callable[[], Connection]) -> None:
        self._rows = rows
        self._tables = tables
        self._keys: OfflineKeys | None = None
        self.close = close

    @property
    def rows(self) -> Rows:
        """Queries on the same snapshot, with `?` for values. Each must be read to its end before the next."""
        return self._rows

    def tables(self) -> Connection:
        """SQLAlchemy's face of it, for what the rooms read. Asked for once, before anything else is read.

        The snapshot begins with it.
        """
        return self._tables()

    def unlock(self, provider: Provider) -> None:
        """Let payloads and seals be checked too, with the key that opens this database.

        Raises:
            KeyfileWrong, IntegrityFailed: The key is another one's; the root key is missing or damaged.
        """
        self._keys = OfflineKeys.open(self._rows, provider)

    def key(self) -> str:
        """The public log key as the database has it, under the deployment's name."""
        deployment = self._one("SELECT value FROM meta WHERE key = 'deployment'")
        public = self._one("SELECT public FROM signing_keys WHERE use = 'log' AND state = 'active' ORDER BY created")
        try:
            jwk = parse(public if deployment else "")
            raw = base64.urlsafe_b64decode(jwk["x"] + "=")
        except (Malformed, KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityFailed("the log's public key is missing or damaged") from error
        return VerifierKey(f"remit/{deployment}", raw).text()

    def checkpoint(self) -> str | None:
        """The newest checkpoint."""
        note = self._one("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        if note is not None and not isinstance(note, str):
            raise IntegrityFailed("the newest checkpoint is no text")
        return note

    def earlier(self) -> list[str]:
        """The other checkpoints."""
        rows = self._rows("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 10000 OFFSET 1", ())
        return [note for (note,) in rows if isinstance(note, str)]

    def stretches(self, until: int | None) -> Iterator[Stretch]:  # noqa: ARG002 - nothing is left out: see `Walked.beyond`
        """Every bundle with a position."""
        last = None
        while True:
            rows = list(self._rows(*_bundles_after(last)))
            for bundle, count, headers, first, sealed in rows:
                last = first
                yield _stretch(bundle, count, headers, first, sealed)
            if len(rows) < _CHUNK:
                return

    def between(self, first: int, behind: int | None = None, *, payloads: bool) -> Iterator[Stretch]:
        """The bundles that begin at position `first` or later, and before `behind`; with their payloads, or without."""
        last: object = first - 1
        while True:
            rows = list(self._rows(*_bundles_after(last, payloads=payloads)))
            for bundle, count, headers, at, sealed in rows:
                if behind is not None and at >= behind:
                    return
                last = at
                yield _stretch(bundle, count, headers, at, sealed)
            if len(rows) < _CHUNK:
                return

    def data_key(self, owner: str) -> tuple[bytes | None, bool]:
        """An owner's data key, and whether one of theirs was ever erased.

        Raises:
            ConfigInvalid: It was not unlocked.
        """
        if self._keys is None:
            raise ConfigInvalid(
                "payloads are sealed: the keyfile opens them", try_="--keyfile FILE, or --passphrase-file FILE"
            )
        return self._keys.data_key(owner)

    def mac(self, value: bytes) -> str:
        """The recorder's keyed hash (`audit/service.py: Recorder.mac`).

        Raises:
            ConfigInvalid: It was not unlocked.
        """
        if self._keys is None:
            raise ConfigInvalid("the keyed hash needs the keyfile", try_="--keyfile FILE, or --passphrase-file FILE")
        return hmac.digest(self._keys.derive("audit/arguments"), value, "sha256").hex()

    def tile(self, level: int, index: int) -> bytes | None:
        """A stored tile."""
        hashes = self._one('SELECT hashes FROM tiles WHERE level = ? AND "index" = ?', level, index)
        return bytes(hashes) if isinstance(hashes, (bytes, memoryview)) else None

    def waiting(self) -> int:
        """How many entries have no position yet."""
        return int(self._one("SELECT coalesce(sum(count), 0) FROM bundles WHERE first IS NULL"))

    def places(self, ids: Collection[str]) -> Mapping[str, tuple[int, int]]:
        """Where the index rows of these entries point."""
        found: dict[str, tuple[int, int]] = {}
        known = list(ids)
        for at in range(0, len(known), _CHUNK):
            some = known[at : at + _CHUNK]
            marks = ", ".join("?" * len(some))
            query = f"SELECT entry, bundle, slot FROM entries WHERE entry IN ({marks})"  # noqa: S608 - marks only
            found.update({entry: (bundle, slot) for entry, bundle, slot in self._rows(query, some)})
        return found

    def contents(self, stretch: Stretch) -> Contents | None:
        """The stretch's payloads, opened; None without the keyfile."""
        if self._keys is None or stretch.payloads is None:
            return None
        return contents(stretch.first, stretch.headers, stretch.payloads, self._keys.data_key)

    def state(self) -> State | None:
        """Every object; None in a database from before states were kept."""
        try:
            self._one("SELECT count(*) FROM states")
        except (IntegrityFailed, StorageUnavailable):
            return None
        seal = None
        if self._keys is not None:
            rows, total = (self._keys.derive(label) for label in LABELS)
            found = check(self._rows, StateKeys(rows=rows, total=total))
            seal = found.problem
        return State(standings(self._rows), seal, settled=self.waiting() == 0)

    def entry(self, entry_id: str) -> tuple[dict[str, Any], int | None]:
        """The header of one entry and its position (None while it has none), unproved.

        Raises:
            NotFound: There is no such entry.
            IntegrityFailed: The index points elsewhere, or what it points to is damaged.
        """
        query = (
            "SELECT b.count, b.headers, b.first, e.slot FROM entries AS e"
            " LEFT JOIN bundles AS b ON b.bundle = e.bundle WHERE e.entry = ?"
        )
        found = next(iter(self._rows(query, (entry_id,))), None) or self._unfiled(entry_id)
        if found is None:
            raise NotFound("there is no such entry", detail=entry_id)
        count, stored, first, slot = found
        headers, problem = read_bundle(bytes(stored) if isinstance(stored, memoryview) else stored, count)
        if type(slot) is not int or not 0 <= slot < len(headers):
            raise IntegrityFailed("an entry of the log is damaged", detail=f"{entry_id}: {problem or 'no such slot'}")
        try:
            said = header(headers[slot])
        except Malformed as error:
            raise IntegrityFailed("an entry of the log is damaged", detail=f"{entry_id}: {error.public}") from error
        if said["id"] != entry_id:
            raise IntegrityFailed("the log's index points to another entry", detail=entry_id)
        return said, first + slot if type(first) is int else None

    def index_rows(self) -> int:
        """How many index rows there are, without those of entries that wait for a position."""
        filed = int(self._one("SELECT count(*) FROM entries"))
        if self._files_later():
            filed += int(self._one(f"SELECT coalesce(sum(count), 0) FROM bundles WHERE {_UNFILED}"))  # noqa: S608 - a constant
        return filed - self.waiting()

    def _unfiled(self, entry_id: str) -> tuple[Any, ...] | None:
        """The same of an entry that its server has not filed yet (SQLite; a server that runs, or was killed)."""
        query = f"SELECT count, headers, first, unfiled FROM bundles WHERE {_UNFILED}"  # noqa: S608 - a constant
        for count, stored, first, unfiled in self._rows(query, ()) if self._files_later() else ():
            try:
                ids = parse(unfiled)["ids"]
                if entry_id in ids:
                    return count, stored, first, ids.index(entry_id)
            except (Malformed, KeyError, TypeError, ValueError, AttributeError):
                continue  # its row is damaged, and its headers will say so
        return None

    def _files_later(self) -> bool:
        """Whether the database is of a version that knows entries which are not filed yet."""
        return bool(self._one("SELECT count(*) FROM alembic_version WHERE version_num >= '0007'"))

    def _one(self, query: str, *values: object) -> Any:  # noqa: ANN401 - any column
        rows = list(self._rows(query, values))
        return rows[0][0] if rows else None


def _bundles_after(last: object, *, payloads: bool | None = None) -> tuple[str, tuple[object, ...]]:
    """The next rows in order of their positions, each with its sealed payloads."""
    sealed = {None: "p.sealed", True: "coalesce(p.sealed, b.sealed)", False: "NULL"}[payloads]  # some are not filed yet
    columns = f"b.bundle, b.count, b.headers, b.first, {sealed}"
    tables = "bundles AS b" + ("" if payloads is False else " LEFT JOIN payloads AS p ON p.bundle = b.bundle")
    where, values = ("b.first IS NOT NULL", ()) if last is None else ("b.first > ?", (last,))
    query = f"SELECT {columns} FROM {tables} WHERE {where} ORDER BY b.first LIMIT {_CHUNK}"  # noqa: S608 - constants only
    return query, values


def _stretch(bundle: object, count: object, headers: object, first: object, sealed: object) -> Stretch:
    stored = bytes(headers) if isinstance(headers, memoryview) else headers
    read, problem = read_bundle(stored, count)
    if type(first) is not int or first < 0 or type(count) is not int or count < 1 or type(bundle) is not int:
        raise IntegrityFailed("a row of the log holds no numbers", detail=f"bundle {bundle!r}")
    parts, rest = frames(bytes(sealed)) if isinstance(sealed, (bytes, memoryview)) else ([], 0)
    if rest or (sealed is not None and len(parts) != count):
        problem = problem or "its payloads are cut or do not match its entries"
    return Stretch(first, count, read, problem, bundle, parts)
