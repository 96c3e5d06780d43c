"""Opening a database: one SQLite file, or PostgreSQL."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from remit.kernel.clock import Clock, Instant, SystemClock
from remit.kernel.errors import ConfigInvalid, RemitError, StorageUnavailable
from remit.storage import migrate, sqlite
from remit.storage.feed import LocalFeed
from remit.storage.lock import FileLock
from remit.storage.node_sql import SqlNodes
from remit.storage.peers import Peers
from remit.storage.reader import PooledReader
from remit.storage.writer import GroupCommitWriter

if TYPE_CHECKING:
    from remit.storage.journal import OpenJournal

_OLDEST_SQLITE = (3, 38, 0)  # json_each and ->> on every build; RETURNING
_POSTGRES = {"postgresql", "postgres", "postgresql+psycopg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An open database with its one writer running."""

    dialect: str  # "sqlite" or "postgresql"
    new: bool  # made by this opening
    writer: GroupCommitWriter
    reader: PooledReader
    feed: LocalFeed
    peers: Peers
    release: Callable[[], None]

    @property
    def epoch(self) -> int:
        """The number of the last committed change that this node knows."""
        return self.writer.epoch

    @property
    def healthy(self) -> bool:
        """Whether the writer takes work."""
        return self.writer.healthy

    @property
    def last_contact(self) -> float:
        """`time.monotonic()` of the last time the database answered; at most about a second ago while it is well."""
        return self.writer.last_contact

    @property
    def node(self) -> str | None:
        """The id of this server process among those that share the database; None with SQLite."""
        return self.writer.node

    @property
    def given_up(self) -> bool:
        """Whether the other nodes took this one for dead; it must end."""
        return self.writer.given_up

    def join(self, node: str, *, now: Instant, covered: int = 0) -> None:
        """Register this process among the nodes of a shared database, before it serves anybody; nothing with SQLite.

        `covered` is the reading of the coverage clock: there is no use yet that it has not written down.
        """
        if not self.peers.shared:
            return
        self.writer.change(lambda tx: SqlNodes(tx.connection).register(node, now=now, covered=covered))
        self.writer.join(node)
        self.peers.start(node, self.writer.nudge)

    def follow(self) -> None:
        """From now on the feed also tells of what other nodes change: everything is loaded, and has subscribed."""
        self.writer.follow()

    def close(self) -> None:
        """Commit what waits, then close everything."""
        self.peers.stop()
        self.writer.stop()
        self.reader.close()
        self.release()


def open_database(where: str | Path, *, clock: Clock | None = None, capacity: int = 100_000) -> Database:
    """Open the SQLite file `where`, or the PostgreSQL database at a `postgresql://` URL; create its tables if new.

    Args:
        where: A path or a URL.
        clock: For the expiry of proofs and counters.
        capacity: How many works may wait before callers hear Overloaded.

    Raises:
        Conflict: Another server process has the file, or the tables are not this version's.
        ConfigInvalid: A URL that is not understood, or whose driver is not installed.
        StorageUnavailable: The database cannot be reached.
    """
    clock = clock or SystemClock()
    if isinstance(where, Path) or "://" not in where:
        return _open_sqlite(Path(where).absolute(), clock, capacity)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError) as error:
        raise ConfigInvalid("not a database URL", try_="postgresql://USER@HOST/DATABASE") from error
    if url.drivername not in _POSTGRES:
        raise ConfigInvalid(f"databases of kind {url.drivername} are not known", try_="a path, or postgresql://...")
    return _open_postgres(url.set(drivername="postgresql+psycopg"), clock, capacity)


def _open_sqlite(path: Path, clock: Clock, capacity: int) -> Database:
    if sqlite.VERSION < _OLDEST_SQLITE:
        raise ConfigInvalid("SQLite 3.38 or newer is needed", detail=".".join(map(str, sqlite.VERSION)))
    with _translated(str(path)):
        lock = FileLock(path)
        try:
            _create_file(path)
            setup = create_engine("sqlite://", creator=lambda: sqlite.connect(path), poolclass=NullPool)

            @event.listens_for(setup, "begin")
            def begin(connection: Connection) -> None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")

            new = _bring_up(setup)
            return _start(
                journal=lambda: sqlite.SqliteJournal(path),
                reading=sqlite.reading_engine(path),
                peers=Peers(),
                new=new,
                clock=clock,
                capacity=capacity,
                release=lock.release,
            )
        except BaseException:
            lock.release()
            raise


def _create_file(path: Path) -> None:
    """Make the file ourselves: 0600 from its first moment, and its name durable in its folder."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open_postgres(url: URL, clock: Clock, capacity: int) -> Database:
    try:
        import psycopg  # noqa: F401, PLC0415 - the driver is an extra

        from remit.storage import postgres  # noqa: PLC0415 - it imports the driver
    except ImportError as error:
        raise ConfigInvalid(
            "PostgreSQL needs its driver, which is not installed", try_="pip install 'remit[postgres]'"
        ) from error
    with _translated(url.render_as_string(hide_password=True)):
        new = _bring_up(create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5}))
        writing = postgres.engine(url, reading=False)
        return _start(
            journal=lambda: postgres.PostgresJournal(writing),
            reading=postgres.engine(url, reading=True),
            peers=Peers(lambda: postgres.connect(url)),
            new=new,
            clock=clock,
            capacity=capacity,
            release=lambda: None,
        )


def _bring_up(engine: Engine) -> bool:
    with engine.begin() as connection:
        return migrate.bring_up(connection)


def _start(
    *,
    journal: OpenJournal,
    reading: Engine,
    peers: Peers,
    new: bool,
    clock: Clock,
    capacity: int,
    release: Callable[[], None],
) -> Database:
    feed, reader = LocalFeed(), PooledReader(reading)
    writer = GroupCommitWriter(journal, reader=reader, feed=feed, clock=clock, capacity=capacity)
    writer.start()
    return Database(
        dialect=reading.dialect.name, new=new, writer=writer, reader=reader, feed=feed, peers=peers, release=release
    )  # fmt: skip


@contextlib.contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except RemitError:
        raise
    except (DBAPIError, OSError, *sqlite.ERRORS) as error:
        raise StorageUnavailable("the database cannot be opened", detail=f"{name}: {error}"[:500]) from error
