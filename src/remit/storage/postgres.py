"""PostgreSQL under the writer: psycopg 3 statements, a fixed number per batch.

Several nodes may write at once. Rows are locked in one order everywhere (proofs, new counters,
old counters, the epoch row if there are changes, activations, runs, then what changes touch, the node's own row), so
no two nodes wait for each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from remit.storage.effects import CounterKey, Wanted
from remit.storage.feed import Beat, GivenUp, News, news
from remit.storage.peers import CHANNEL

_INSERT_PROOFS = """
INSERT INTO proofs (key, expires) SELECT * FROM unnest(%s::text[], %s::bigint[])
ON CONFLICT DO NOTHING RETURNING key
"""
_CREATE_COUNTERS = """
INSERT INTO counters (key, "window", used, expires)
SELECT k, w, 0, e FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS n(k, w, e)
ON CONFLICT DO NOTHING
"""
_LOCK_COUNTERS = """
SELECT c.key, c."window", c.used FROM counters AS c
JOIN unnest(%s::text[], %s::bigint[]) AS n(k, w) ON c.key = n.k AND c."window" = n.w
ORDER BY c.key, c."window" FOR UPDATE OF c
"""
_WRITE_COUNTERS = """
UPDATE counters AS c SET used = n.u, expires = greatest(c.expires, n.e)
FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[]) AS n(k, w, u, e)
WHERE c.key = n.k AND c."window" = n.w
"""
# A node that was given up stores nothing any more. Who gives it up waits for its open transaction, and the other way
# round: the lock on its row is shared with nobody but those.
_LIVING = "SELECT 1 FROM nodes WHERE node = %s AND ended IS NULL FOR SHARE"
_ANYBODY = "SELECT 1 WHERE %s::text IS NULL"
_STORE = """
WITH w AS ({who}),
     b AS (INSERT INTO bundles (count, headers) SELECT %s, %b FROM w RETURNING bundle),
     p AS (INSERT INTO payloads (bundle, sealed) SELECT bundle, %b FROM b WHERE %s)
INSERT INTO entries (entry, bundle, slot)
SELECT n.entry, b.bundle, n.place - 1 FROM b, unnest(%s::text[]) WITH ORDINALITY AS n(entry, place)
"""
_STORES = {True: _STORE.replace("{who}", _LIVING), False: _STORE.replace("{who}", _ANYBODY)}
_RECORDED = "SELECT entry FROM entries WHERE entry = ANY(%s)"
_RAISE_EPOCH = f"""
WITH e AS (UPDATE epoch SET value = value + 1 WHERE id = 1 RETURNING value),
     f AS (INSERT INTO feed (epoch, topics, at) SELECT value, %s, %s FROM e)
SELECT value, pg_notify('{CHANNEL}', '') FROM e
"""  # noqa: S608 - a constant
# A beat that is lost with the database is followed by the next: it need not wait for the disk.
_BEAT = """
UPDATE nodes SET beat = beat + %s, applied = %s, held = %s
WHERE node = %s AND ended IS NULL AND set_config('synchronous_commit', 'off', true) = 'off' RETURNING 1
"""
_LOOK = """
SELECT e.value, f.epoch, f.topics FROM epoch AS e LEFT JOIN feed AS f ON f.epoch > %s WHERE e.id = 1 ORDER BY f.epoch
"""
_LOOK_AND_BEAT = f"""
WITH b AS ({_BEAT})
SELECT e.value, f.epoch, f.topics, (SELECT count(*) FROM b)
FROM epoch AS e LEFT JOIN feed AS f ON f.epoch > %s WHERE e.id = 1 ORDER BY f.epoch
"""  # noqa: S608 - constants only
_TELL = f"SELECT pg_notify('{CHANNEL}', '')"  # who waits for this node to confirm reads its row now
_PRUNE = """
DELETE FROM feed WHERE epoch IN (SELECT epoch FROM feed WHERE at < %s FOR UPDATE SKIP LOCKED)
"""
_EPOCH = "SELECT value FROM epoch WHERE id = 1"
# Libpq's own settings: a host that swallows packets is noticed within seconds, not within hours.
_CONNECT = {
    "connect_timeout": 2,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 2000,
    "application_name": "remit",
}
# What the server is told of each connection. A node that stops in the middle of a transaction, or that no packet
# reaches any more, must not hold its locks against the others: the epoch row's, or its own row's, which they take when
# they give it up. So it is gone well before their own views are stale (5 s). What was sent and is not acknowledged
# keeps keepalives from being sent, hence `tcp_user_timeout`.
_GONE = (
    "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2 -c tcp_user_timeout=3000"
    " -c idle_in_transaction_session_timeout={idle}s"
)
_WRITES = _GONE.format(idle=10)  # as long as a node may be silent (`peers.DEAD_AFTER`)
_READS = _GONE.format(idle=60)  # a snapshot holds nobody up


def engine(url: URL, *, reading: bool) -> Engine:
    """An engine for the writer's one connection (autocommit), or a pool of read-only snapshots."""
    arguments: dict[str, Any] = _CONNECT | {"options": _options(url, _READS if reading else _WRITES)}
    if not reading:
        return create_engine(url, poolclass=NullPool, connect_args=arguments, isolation_level="AUTOCOMMIT")
    made = create_engine(
        url, pool_size=4, max_overflow=12, pool_pre_ping=True, connect_args=arguments, isolation_level="REPEATABLE READ"
    )
    return made.execution_options(postgresql_readonly=True)


def connect(url: URL) -> psycopg.Connection[Any]:
    """A connection of its own, for a thread that listens and may lead: until it is known to be gone nobody else could.

    Nothing is open between its statements.
    """
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    arguments: dict[str, Any] = {**_CONNECT, "application_name": "remit-feed", "options": _options(url, _WRITES)}
    return psycopg.connect(plain, autocommit=True, **arguments)


def _options(url: URL, ours: str) -> str:
    theirs = url.query.get("options", "")
    return " ".join(filter(None, (*((theirs,) if isinstance(theirs, str) else theirs), ours)))


class PostgresJournal:
    """Implements remit.storage.journal.Journal on one PostgreSQL connection."""

    content_errors: tuple[type[Exception], ...] = (
        psycopg.IntegrityError,
        psycopg.DataError,
        psycopg.ProgrammingError,
        TypeError,
        ValueError,
        OverflowError,
    )
    failures: tuple[type[Exception], ...] = (psycopg.OperationalError, OSError)
    shared = True
    node: str | None = None

    def __init__(self, writing: Engine) -> None:
        self._connection = writing.connect()
        raw = self._connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)  # noqa: S101 - for the type checker
        self._raw: psycopg.Connection[Any] = raw
        self._execute = raw.execute
        setting = self._execute("SHOW synchronous_commit").fetchone()
        if setting is not None and setting[0] in {"off", "local"}:
            self._execute("SET synchronous_commit = on")  # off loses acknowledged commits in a crash

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's face of the connection."""
        return self._connection

    def begin(self, *, changes: bool) -> None:  # noqa: ARG002 - the turn is taken by itself
        """Open a transaction. READ COMMITTED: each statement after a lock sees what the lock waited for."""
        self._execute("BEGIN ISOLATION LEVEL READ COMMITTED")

    def turn(self) -> None:
        """Lock the epoch row, as every node does before it changes state."""
        self._execute(_EPOCH + " FOR UPDATE")

    def hold(self) -> None:
        """Nothing to do: `begin` has opened the transaction, and rows are locked as they are read."""

    def commit(self) -> None:
        """Commit and wait for the flush."""
        if self._execute("COMMIT").statusmessage != "COMMIT":
            # PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and no error.
            raise psycopg.OperationalError("the transaction was rolled back")

    def rollback(self) -> None:
        """End the transaction."""
        if not self._raw.closed and not self._raw.broken:
            with contextlib.suppress(psycopg.Error):
                self._execute("ROLLBACK")

    def savepoint(self) -> None:
        """Begin what can be undone."""
        self._execute("SAVEPOINT change")

    def release(self) -> None:
        """Keep it."""
        self._execute("RELEASE change")

    def undo(self) -> None:
        """Take it back."""
        self._execute("ROLLBACK TO change")
        self._execute("RELEASE change")

    def recorded(self, ids: Sequence[str]) -> set[str]:
        """Look the ids up in the index."""
        return {entry for (entry,) in self._execute(_RECORDED, (list(ids),))}

    def consume(self, proofs: Mapping[str, int]) -> set[str]:
        """Insert in sorted order, so that two nodes with the same proofs wait one way round."""
        keys = sorted(proofs)
        rows = self._execute(_INSERT_PROOFS, (keys, [proofs[key] for key in keys]))
        return {key for (key,) in rows}

    def used(self, wanted: Wanted) -> dict[CounterKey, int]:
        """Lock the counters, making those that a reservation needs: a row that is not there cannot be locked.

        One that was there and is over may be swept away before it is locked: then it is made after all.
        """
        new = sorted((key, window, expires) for (key, window), expires in wanted.reserved.items())
        names = _columns(sorted({*wanted.reserved, *wanted.released}), 2)
        while True:
            if new:
                self._execute(_CREATE_COUNTERS, _columns(new, 3))
            found = {(key, window): used for key, window, used in self._execute(_LOCK_COUNTERS, names)}
            if found.keys() >= wanted.reserved.keys():
                return found

    def keep(self, counters: Mapping[CounterKey, int], wanted: Wanted) -> None:
        """Write the new values."""
        rows = [(*counter, used, wanted.reserved.get(counter, 0)) for counter, used in counters.items()]
        self._execute(_WRITE_COUNTERS, _columns(rows, 4))

    def store(self, ids: Sequence[str], headers: bytes, payloads: bytes | None) -> None:
        """Append one bundle, unless this node was given up."""
        values = (self.node, len(ids), headers, payloads or b"", payloads is not None, list(ids))
        if self._execute(_STORES[self.node is not None], values).rowcount != len(ids):
            raise _given_up(self.node)

    def epoch(self) -> int:
        """The number of the last change."""
        return self._one(_EPOCH)

    def raise_epoch(self, topics: Sequence[str], now: int) -> int:
        """Take the next number; its row stays locked until the commit, so numbers have no gaps.

        What it touched stands in the feed, and nodes that listen are woken, once it is committed.
        """
        return self._one(_RAISE_EPOCH, (msgspec.json.encode(topics).decode(), now))

    def look(self, applied: int, *, beat: Beat | None = None) -> News:
        """Ask for what is newer, in one statement and with it one snapshot; a beat is committed with it."""
        if beat is None or self.node is None:
            rows = self._execute(_LOOK, (applied,)).fetchall()
        else:
            values = (1, beat.applied, beat.held, self.node, applied)
            rows = self._execute(_LOOK_AND_BEAT, values).fetchall()
            if rows and not rows[0][3]:
                raise _given_up(self.node)
        if not rows:
            raise psycopg.OperationalError("the epoch row is missing")
        touched = tuple((row[1], tuple(msgspec.json.decode(row[2]))) for row in rows if row[1] is not None)
        return news(applied, int(rows[0][0]), touched)

    def tell(self, beat: Beat) -> None:
        """Write it down; the beat stays as it is, because it stands for a look."""
        if self.node is not None:
            self._execute(_BEAT, (0, beat.applied, beat.held, self.node))
            self._execute(_TELL)

    def prune(self, before: int) -> None:
        """Drop old rows; two nodes that do it at once do not wait for each other."""
        self._execute(_PRUNE, (before,))

    def probe(self) -> None:
        """Commit a write that changes nothing."""
        self._execute("UPDATE epoch SET value = value WHERE id = 1")

    def rest(self, *, idle: bool) -> None:
        """PostgreSQL keeps house by itself."""

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(Exception):
            self._connection.invalidate()
        with contextlib.suppress(Exception):
            self._connection.close()
        with contextlib.suppress(Exception):
            self._raw.close()

    def _one(self, query: str, values: Sequence[Any] = ()) -> int:
        row = self._execute(query, values).fetchone()
        if row is None:
            raise psycopg.OperationalError("the epoch row is missing")
        return int(row[0])


def _given_up(node: str | None) -> GivenUp:
    return GivenUp(
        "the other nodes took this one for dead and settled what it left", detail=str(node), try_="start it again"
    )


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(width)]
