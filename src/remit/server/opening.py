"""Opening what is stored: the database, and the keys that the keyfile opens."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, select

from remit.kernel.clock import Clock
from remit.kernel.errors import KeyfileMissing
from remit.keys.keyfile import KeyfileProvider
from remit.keys.service import KeyRing
from remit.server.settings import Settings
from remit.storage.database import Database, open_database
from remit.storage.schema import meta

_DEPLOYMENT = "deployment"


def open_store(settings: Settings, clock: Clock) -> tuple[Database, KeyRing]:
    """Open the database, new or old, and its keys.

    Raises:
        StorageUnavailable, Conflict, ConfigInvalid: The database does not open.
        KeyfileMissing, KeyfileUnsafe, KeyfileWrong: Its keys do not.
    """
    database = open_database(settings.database or settings.sqlite_file, clock=clock)
    try:
        return database, _open_keys(database, settings.keyfile, clock)
    except BaseException:
        database.close()
        raise


def _open_keys(database: Database, keyfile: Path, clock: Clock) -> KeyRing:
    """A keyfile is made only together with the keys it wraps: to an old database a new one would be a wrong one."""
    new = database.reader.read(_has_no_keys)
    provider = _load_or_make(keyfile) if new else KeyfileProvider.load(keyfile)
    if new:
        database.writer.change(lambda tx: KeyRing.create(tx, provider, now=clock.now()))
    return database.reader.read(lambda connection: KeyRing.open(connection, provider, clock=clock))


def _load_or_make(keyfile: Path) -> KeyfileProvider:
    try:
        return KeyfileProvider.load(keyfile)
    except KeyfileMissing:
        return KeyfileProvider.create(keyfile)


def _has_no_keys(connection: Connection) -> bool:
    return connection.execute(select(meta.c.key).where(meta.c.key == _DEPLOYMENT)).one_or_none() is None
