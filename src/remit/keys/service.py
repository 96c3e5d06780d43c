"""The key ring: every key of the deployment, opened once with the provider and held in memory.

provider (keyfile, passphrase, PKCS#11 token, transit key)
  wraps the root key (`roots`), and for as long as a re-key takes, two of them
    derives (HKDF) the wrapping key, which seals
      the data keys (per agent, per secret, for operators), and the signing keys
      the data key `derived`, of which (HKDF) keys for other uses come, by label: a re-key changes none of them

A database that is older than generations of root keys has no data key `derived` until its first re-key. What is derived
comes from its first root key itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from remit.kernel.clock import Clock, Instant, SystemClock
from remit.kernel.errors import IntegrityFailed, NotFound
from remit.kernel.names import new_id
from remit.keys.derive import derive
from remit.keys.generations import FIRST, data_key_place
from remit.keys.jwk import ED25519, ES256
from remit.keys.model import log_key
from remit.keys.ports import Provider
from remit.keys.roots import Held, Roots
from remit.keys.roots_sql import SqlRoots, StoredRoot
from remit.keys.rotation import LOG, TOKEN, KeyRecord, KeyState
from remit.keys.seal import KEY_BYTES, SealingKey, seal, unseal
from remit.keys.secret import Secret
from remit.keys.signing import SigningKeys, Wrapping, log_signer, new_signing_key, set_keys, token_keys
from remit.keys.sql import SqlKeys, WrappedDataKey
from remit.storage.ports import Transaction

TOPIC = "keys"
DERIVED: Final = "derived"
"""The owner of the data key that other keys are derived from."""
_DEPLOYMENT = "deployment"
_OPERATORS = "operators"
_RELOAD_ALL = 64  # more owners than this at once: read the table instead of row by row


class KeyRing:
    """The opened keys. Reading is safe from any thread.

    Subscribe `follow` to the feed before whoever seals payloads: data keys become known
    with the commit that made them, never before it, or a change that is rolled back would
    leave a key in memory that no row holds and with it payloads that nobody can open.
    """

    def __init__(self, deployment: str, roots: Roots, connection: Connection, clock: Clock) -> None:
        self.deployment = deployment
        self.roots = roots
        self._clock = clock
        rows, wrapping = SqlKeys(connection), roots.reading(connection)
        signing = rows.signing_keys()
        self._signing = SigningKeys()
        opened = self._signing.open(signing, wrapping)
        self.log_key = log_key(deployment, log_signer(opened))
        self.records: tuple[KeyRecord, ...] = tuple(row.record for row in signing)
        """Every signing key there is or was, as this node has it."""
        self.token_keys = token_keys(opened, self.records)
        self.set_keys = set_keys(opened)
        self._data_keys: dict[str, bytes] = {}
        self._change = _Change()
        self._reload(rows.data_keys(), wrapping)
        self._derived = _derived(self._data_keys.get(DERIVED), roots)

    @classmethod
    def create(cls, tx: Transaction, provider: Provider, *, now: Instant) -> None:
        """Make the keys of a new database: deployment id, root, log key, token key, data keys of its own.

        The first key of security event tokens is made a moment after the start, by what rotates keys: a start does not
        wait for an RSA key.
        """
        rows = SqlKeys(tx.connection)
        deployment = new_id("dep")
        rows.put_meta(_DEPLOYMENT, deployment)
        root = Roots.make(deployment, provider)
        SqlRoots(tx.connection).add(StoredRoot(FIRST, root.wrapped, now, None))
        for use, algorithm in ((LOG, ED25519), (TOKEN, ES256)):
            rows.put_signing_key(
                new_signing_key(
                    root.wrapping, generation=FIRST, use=use, algorithm=algorithm, state=KeyState.ACTIVE, now=now
                )
            )
        for owner in (_OPERATORS, DERIVED):
            rows.put_data_key(_sealed(root.wrapping, FIRST, owner, 1, os.urandom(KEY_BYTES)), now=now)

    @classmethod
    def open(cls, connection: Connection, provider: Provider, *, clock: Clock | None = None) -> KeyRing:
        """Open the keys of an existing database.

        Raises:
            KeyfileWrong: The provider's key is not the one that made them.
            IntegrityFailed: A key is missing or damaged.
        """
        deployment = SqlKeys(connection).meta(_DEPLOYMENT)
        if deployment is None:
            raise IntegrityFailed("the database has no root key")
        roots = Roots(deployment, provider)
        roots.load(SqlRoots(connection).all())
        return cls(deployment, roots, connection, clock or SystemClock())

    def derive(self, label: str) -> bytes:
        """A 32-byte key for one other use, named by `label` (HKDF-SHA256, RFC 5869). No re-key changes it."""
        return derive(self._derived, label)

    def data_key(self, owner: str) -> bytes:
        """The data key of `agent:NAME`, `secret:NAME` or `operators`, from memory.

        Raises:
            NotFound: There is none, or it was erased.
        """
        key = self._data_keys.get(owner) or self._change.made.get(owner)
        if key is None:
            raise NotFound("there is no data key", detail=owner)
        return key

    def ensure_data_key(self, tx: Transaction, owner: str) -> bytes:
        """The owner's data key, made within `tx` if there is none. Until the commit only this thread knows it."""
        rows = SqlKeys(tx.connection)
        if self._change.tx is not tx:
            self._change.forget()
        for found in rows.data_keys(owner):
            return _opened(found, self.roots.reading(tx.connection))
        version, key = rows.newest_version(owner) + 1, SealingKey(os.urandom(KEY_BYTES))
        generation, wrapping = self.roots.newest(tx.connection)
        rows.put_data_key(_sealed(wrapping, generation, owner, version, key), now=self._clock.now())
        tx.touch(owner)
        self._change.tx = tx
        self._change.made[owner] = key
        return key

    def load_data_key(self, connection: Connection, owner: str) -> bytes:
        """Read the owner's data key anew (it was made or erased elsewhere).

        Raises:
            NotFound: There is none, or it was erased.
        """
        self._data_keys.pop(owner, None)
        self._reload(SqlKeys(connection).data_keys(owner), self.roots.reading(connection))
        return self.data_key(owner)

    def erase_data_key(self, tx: Transaction, owner: str) -> None:
        """Erase the owner's data key for ever: what it sealed can never be read again. Memory follows the commit."""
        SqlKeys(tx.connection).erase_data_keys(owner)
        tx.touch(owner)

    def erased(self, connection: Connection, owner: str) -> bool:
        """Whether a data key of the owner was ever erased: then what does not open may be that key's."""
        return SqlKeys(connection).any_erased(owner)

    def make_signing_key(
        self,
        tx: Transaction,
        *,
        use: str,
        algorithm: str,
        state: KeyState,
        now: Instant,
        jwk: Mapping[str, Any] | None = None,
    ) -> KeyRecord:
        """Make and store a signing key within `tx`, or store the one that was `prepared`. Memory follows the commit.

        Raises:
            JoseInvalid: No such algorithm.
        """
        generation, wrapping = self.roots.newest(tx.connection)
        made = new_signing_key(
            wrapping, generation=generation, use=use, algorithm=algorithm, state=state, now=now, jwk=jwk
        )
        SqlKeys(tx.connection).put_signing_key(made)
        tx.touch(TOPIC)
        return made.record

    def rewrap(self, tx: Transaction, provider: Provider) -> None:
        """From the commit on `provider` opens this database, and what opened it before does not.

        Nothing below the root keys changes, and no server that runs notices.
        """
        self.roots.rewrap(tx.connection, provider)

    def begin_rekey(self, tx: Transaction, root: Held, *, now: Instant) -> None:
        """From the commit on what is new is sealed by `root`, which `Roots.next` made; what there is follows (`rekey`).

        Raises:
            Conflict: As `Roots.begin`.
        """
        self.roots.begin(tx.connection, root, now=now)
        rows = SqlKeys(tx.connection)
        if not rows.data_keys(DERIVED):  # what was derived from the first root key itself stays what it is
            version, key = rows.newest_version(DERIVED) + 1, self._derived.reveal()
            rows.put_data_key(_sealed(root.wrapping, root.generation, DERIVED, version, key), now=now)
        tx.touch(TOPIC)

    def check(self, rows: Iterable[StoredRoot], provider: Provider) -> None:
        """See that `provider` opens the root keys that the database has now, as a start would. May take seconds.

        Raises:
            KeyfileWrong: It does not.
            IntegrityFailed: It opens another root key than the one in memory.
            RemitError: It cannot be asked.
        """
        self.roots.check(rows, provider)

    def reload(self, connection: Connection) -> None:
        """Read every key anew: what changed elsewhere is not known."""
        self._change.forget()
        self._reload_signing(connection)
        found = SqlKeys(connection).data_keys()
        self._reload(found, self.roots.reading(connection))
        for owner in set(self._data_keys) - {row[0] for row in found}:
            self._data_keys.pop(owner, None)

    def follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:  # noqa: ARG002 - Feed's shape
        """What to subscribe to the feed: root and signing keys, and the data keys of the owners that changed."""
        if TOPIC in topics:
            self._reload_signing(connection)
        owners = {topic for topic in topics if topic == _OPERATORS or topic.startswith(("agent:", "secret:"))}
        self._change.forget()
        if not owners:
            return
        rows = SqlKeys(connection)
        if len(owners) > _RELOAD_ALL:
            found = rows.data_keys()
        else:
            found = [row for owner in owners for row in rows.data_keys(owner)]
        self._reload(found, self.roots.reading(connection))
        for owner in owners - {row[0] for row in found}:
            self._data_keys.pop(owner, None)

    def _reload_signing(self, connection: Connection) -> None:
        """The keys of a use are swapped as one, under requests that are being served. The log key stays what it is."""
        self.roots.follow(SqlRoots(connection).all())
        rows = SqlKeys(connection).signing_keys()
        records, opened = tuple(row.record for row in rows), self._signing.open(rows, self.roots.reading(connection))
        self.token_keys.replace(token_keys(opened, records))
        self.set_keys.replace(set_keys(opened))
        self.records = records

    def _reload(self, found: Iterable[WrappedDataKey], wrapping: Wrapping) -> None:
        for row in found:
            self._data_keys[row.owner] = _opened(row, wrapping)


def stored_roots(connection: Connection) -> list[StoredRoot]:
    """The root keys as the database has them, unopened."""
    return SqlRoots(connection).all()


class _Change(threading.local):
    """The data keys that the change running on this thread has made and not committed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.tx: Transaction | None = None
        self.made: dict[str, bytes] = {}


def _derived(key: bytes | None, roots: Roots) -> Secret:
    """What other keys are derived from."""
    if key is not None:
        return Secret(bytes(key))
    if (root := roots.first()) is None:
        raise IntegrityFailed("the database has no key to derive others from", detail=f"data key {DERIVED}")
    return root


def _sealed(wrapping: bytes, generation: int, owner: str, version: int, key: bytes) -> WrappedDataKey:
    place = data_key_place(owner, version, generation)
    return WrappedDataKey(owner, version, generation, seal(wrapping, key, aad=place))


def _opened(row: WrappedDataKey, wrapping: Wrapping) -> SealingKey:
    place = data_key_place(row.owner, row.version, row.generation)
    return SealingKey(unseal(wrapping(row.generation), row.wrapped, aad=place))
