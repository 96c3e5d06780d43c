"""Another key provider for a database that no server here has open."""

from __future__ import annotations

import os

from remit.audit.service import Recorder
from remit.audit.states import States
from remit.kernel.clock import SystemClock
from remit.keys.hardening import harden
from remit.keys.ports import Provider
from remit.keys.service import KeyRing
from remit.people.change import Actor, Changed, record
from remit.server.key_provider import kind_of, provider_of
from remit.server.opening import open_existing
from remit.server.settings import Settings
from remit.server.state import entitlement_seal, open_state
from remit.storage.database import Database
from remit.storage.lock import FileLock
from remit.storage.ports import Transaction


def rewrap(settings: Settings, *, to: Settings) -> None:
    """Seal the root key anew. What is sealed below it is not touched, and servers that run notice nothing.

    Args:
        settings: Where the database is, and what opens it now.
        to: The same with what is to open it; a keyfile that is not there is made.

    Raises:
        Conflict: A server uses the data directory.
        NotFound: There is no database.
        KeyfileMissing, KeyfileUnsafe, KeyfileWrong, ConfigInvalid, KeysUnavailable: What opens it now, or is to open
            it, cannot be used.
        IntegrityFailed: The stored state is not what was recorded.
    """
    harden()
    provider = provider_of(to, new=True)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(settings.data / "server")
    try:
        clock = SystemClock()
        database, keys = open_existing(settings, clock)
        try:
            records = Recorder(keys, clock, lambda: database.epoch)
            open_state(settings, database, States(keys, database.reader), records, entitlement_seal(keys))
            _commit(database, keys, records, provider, kind_of(to))
        finally:
            database.close()
    finally:
        lock.release()


def _commit(database: Database, keys: KeyRing, records: Recorder, provider: Provider, kind: str) -> None:
    def apply(tx: Transaction) -> None:
        keys.rewrap(tx, provider)
        changed = Changed(what="key", name="root", change="rewrap", before=None, after=None, more={"provider": kind})
        record(tx, records, changed, by=Actor(by=f"uid:{os.geteuid()}"))

    database.writer.change(apply)
