"""Opening what is stored: the database, and the keys that what its operator chose (`key_provider`) opens."""

from __future__ import annotations

from sqlalchemy import Connection, select

from remit.kernel.clock import Clock
from remit.kernel.errors import NotFound
from remit.keys.ports import Provider
from remit.keys.service import KeyRing
from remit.server.key_provider import provider_of
from remit.server.settings import Settings
from remit.storage.database import Database, open_database
from remit.storage.ports import Transaction
from remit.storage.schema import meta

_DEPLOYMENT = "deployment"


def open_store(settings: Settings, clock: Clock) -> tuple[Database, KeyRing]:
    """Open the database, new or old, and its keys.

    Raises:
        StorageUnavailable, Conflict, ConfigInvalid: The database does not open.
        KeyfileMissing, KeyfileUnsafe, KeyfileWrong, KeysUnavailable: Its keys do not.
    """
    database = open_database(settings.database or settings.sqlite_file, clock=clock)
    try:
        return database, _open_keys(database, settings, clock)
    except BaseException:
        database.close()
        raise


def open_existing(settings: Settings, clock: Clock) -> tuple[Database, KeyRing]:
    """Open a database that has its keys already; none is made.

    Raises:
        NotFound: There is none.
        StorageUnavailable, Conflict, ConfigInvalid, KeyfileMissing, KeyfileUnsafe, KeyfileWrong, KeysUnavailable: As
            `open_store`.
    """
    if settings.database is None and not settings.sqlite_file.exists():
        raise NotFound("there is no database here", detail=str(settings.sqlite_file), try_="name it with --data DIR")
    database = open_database(settings.database or settings.sqlite_file, clock=clock)
    try:
        database.reader.read(_must_have_keys)
        return database, _open_keys(database, settings, clock)
    except BaseException:
        database.close()
        raise


def _open_keys(database: Database, settings: Settings, clock: Clock) -> KeyRing:
    """A keyfile is made only together with the keys it wraps: to an old database a new one would be a wrong one."""

    def make(tx: Transaction) -> Provider | None:
        # Asked again where changes are applied: of nodes that begin together one makes the keys, and its keyfile.
        if not _has_no_keys(tx.connection):
            return None
        made = provider_of(settings, new=True)
        KeyRing.create(tx, made, now=clock.now())
        return made

    made = database.writer.change(make) if database.reader.read(_has_no_keys) else None
    provider = made or provider_of(settings)
    return database.reader.read(lambda connection: KeyRing.open(connection, provider, clock=clock))


def _has_no_keys(connection: Connection) -> bool:
    return connection.execute(select(meta.c.key).where(meta.c.key == _DEPLOYMENT)).one_or_none() is None


def _must_have_keys(connection: Connection) -> None:
    if _has_no_keys(connection):
        raise NotFound("this database has no keys yet", try_="remit up makes them")
