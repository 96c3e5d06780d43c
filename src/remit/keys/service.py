"""The key ring: every key of the deployment, opened once with the provider and held in memory.

provider (keyfile, passphrase, PKCS#11 token, transit key)
  wraps the root key (`meta.root_key`)
    derives (HKDF) the wrapping key, and keys for other uses by label
      seals the data keys (per agent, per secret, for operators) and the signing keys
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from remit.kernel.clock import Clock, Instant, SystemClock
from remit.kernel.errors import IntegrityFailed, NotFound
from remit.kernel.names import new_id
from remit.keys.derive import WRAP, derive
from remit.keys.jwk import ED25519, ES256
from remit.keys.model import log_key
from remit.keys.ports import Provider
from remit.keys.rotation import LOG, TOKEN, KeyRecord, KeyState
from remit.keys.seal import KEY_BYTES, SealingKey, bind, seal, unseal
from remit.keys.secret import Secret
from remit.keys.signing import SigningKeys, log_signer, new_signing_key, set_keys, token_keys
from remit.keys.sql import SqlKeys, WrappedKey
from remit.storage.ports import Transaction

TOPIC = "keys"
_DEPLOYMENT = "deployment"
_ROOT = "root_key"
_OPERATORS = "operators"
_RELOAD_ALL = 64  # more owners than this at once: read the table instead of row by row


class KeyRing:
    """The opened keys. Reading is safe from any thread.

    Subscribe `follow` to the feed before whoever seals payloads: data keys become known
    with the commit that made them, never before it, or a change that is rolled back would
    leave a key in memory that no row holds and with it payloads that nobody can open.
    """

    def __init__(self, deployment: str, root: Secret, signing: list[WrappedKey], clock: Clock) -> None:
        self.deployment = deployment
        self._root = root
        self._clock = clock
        self._wrapping = derive(root, WRAP)
        self._signing = SigningKeys(self._wrapping)
        opened = self._signing.open(signing)
        self.log_key = log_key(deployment, log_signer(opened))
        self.records: tuple[KeyRecord, ...] = tuple(row.record for row in signing)
        """Every signing key there is or was, as this node has it."""
        self.token_keys = token_keys(opened, self.records)
        self.set_keys = set_keys(opened)
        self._data_keys: dict[str, bytes] = {}
        self._change = _Change()

    @classmethod
    def create(cls, tx: Transaction, provider: Provider, *, now: Instant) -> None:
        """Make the keys of a new database: deployment id, root, log key, token key, the operators' data key.

        The first key of security event tokens is made a moment after the start, by what rotates keys: a start does not
        wait for an RSA key.
        """
        rows = SqlKeys(tx.connection)
        deployment, root = new_id("dep"), os.urandom(KEY_BYTES)
        rows.put_meta(_DEPLOYMENT, deployment)
        wrapped = provider.wrap(root, aad=_root_place(deployment))
        rows.put_meta(_ROOT, base64.b64encode(wrapped).decode("ascii"))
        wrapping = derive(Secret(root), WRAP)
        for use, algorithm in ((LOG, ED25519), (TOKEN, ES256)):
            rows.put_signing_key(
                new_signing_key(wrapping, use=use, algorithm=algorithm, state=KeyState.ACTIVE, now=now)
            )
        sealed = seal(wrapping, os.urandom(KEY_BYTES), aad=("data_keys", _OPERATORS, 1))
        rows.put_data_key(_OPERATORS, 1, sealed, now=now)

    @classmethod
    def open(cls, connection: Connection, provider: Provider, *, clock: Clock | None = None) -> KeyRing:
        """Open the keys of an existing database.

        Raises:
            KeyfileWrong: The provider's key is not the one that made them.
            IntegrityFailed: A key is missing or damaged.
        """
        wrapped, rows = wrapped_root(connection), SqlKeys(connection)
        ring = cls(wrapped.deployment, wrapped.opened(provider), rows.signing_keys(), clock or SystemClock())
        ring._reload(rows.data_keys())
        return ring

    def derive(self, label: str) -> bytes:
        """A 32-byte key for one other use, named by `label` (HKDF-SHA256, RFC 5869, over the root key)."""
        return derive(self._root, label)

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
        for _, version, wrapped in rows.data_keys(owner):
            return self._open_data_key(owner, version, wrapped)
        version, key = rows.newest_version(owner) + 1, SealingKey(os.urandom(KEY_BYTES))
        rows.put_data_key(
            owner, version, seal(self._wrapping, key, aad=("data_keys", owner, version)), now=self._clock.now()
        )
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
        self._reload(SqlKeys(connection).data_keys(owner))
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
        made = new_signing_key(self._wrapping, use=use, algorithm=algorithm, state=state, now=now, jwk=jwk)
        SqlKeys(tx.connection).put_signing_key(made)
        tx.touch(TOPIC)
        return made.record

    def rewrap(self, tx: Transaction, provider: Provider) -> None:
        """From the commit on `provider` opens this database, and what opened it before does not.

        Nothing below the root key changes, and no server that runs notices.
        """
        root, place = self._root.reveal(), _root_place(self.deployment)
        wrapped = provider.wrap(root, aad=place)
        if provider.unwrap(wrapped, aad=place) != root:  # what would not open again must not take the old one's place
            raise IntegrityFailed("the root key does not open again")
        SqlKeys(tx.connection).rewrap_root(base64.b64encode(wrapped).decode("ascii"))

    def check(self, wrapped: WrappedRoot, provider: Provider) -> None:
        """See that `provider` opens the root key that the database has now, as a start would. May take seconds.

        Raises:
            KeyfileWrong: It does not.
            IntegrityFailed: It opens another root key than the one in memory.
            RemitError: It cannot be asked.
        """
        if wrapped.opened(provider) != self._root:
            raise IntegrityFailed("the database's root key is another one than at the start")

    def reload(self, connection: Connection) -> None:
        """Read every key anew: what changed elsewhere is not known."""
        self._change.forget()
        self._reload_signing(connection)
        found = SqlKeys(connection).data_keys()
        self._reload(found)
        for owner in set(self._data_keys) - {row[0] for row in found}:
            self._data_keys.pop(owner, None)

    def follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:  # noqa: ARG002 - Feed's shape
        """What to subscribe to the feed: the signing keys, and the data keys of the owners that changed."""
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
        self._reload(found)
        for owner in owners - {row[0] for row in found}:
            self._data_keys.pop(owner, None)

    def _reload_signing(self, connection: Connection) -> None:
        """The keys of a use are swapped as one, under requests that are being served. The log key stays what it is."""
        rows = SqlKeys(connection).signing_keys()
        records, opened = tuple(row.record for row in rows), self._signing.open(rows)
        self.token_keys.replace(token_keys(opened, records))
        self.set_keys.replace(set_keys(opened))
        self.records = records

    def _reload(self, found: Iterable[tuple[str, int, bytes]]) -> None:
        for owner, version, wrapped in found:
            self._data_keys[owner] = self._open_data_key(owner, version, wrapped)

    def _open_data_key(self, owner: str, version: int, wrapped: bytes) -> bytes:
        return SealingKey(unseal(self._wrapping, wrapped, aad=("data_keys", owner, version)))


class WrappedRoot(NamedTuple):
    """The root key as the database has it."""

    deployment: str
    wrapped: bytes

    def opened(self, provider: Provider) -> Secret:
        """The root key. Raises KeyfileWrong, and whatever `provider` raises."""
        return Secret(provider.unwrap(self.wrapped, aad=_root_place(self.deployment)))


def wrapped_root(connection: Connection) -> WrappedRoot:
    """Read the root key, unopened.

    Raises:
        IntegrityFailed: There is none, or it is damaged.
    """
    rows = SqlKeys(connection)
    deployment, wrapped = rows.meta(_DEPLOYMENT), rows.meta(_ROOT)
    if deployment is None or wrapped is None:
        raise IntegrityFailed("the database has no root key")
    return WrappedRoot(deployment, _decoded(wrapped))


class _Change(threading.local):
    """The data keys that the change running on this thread has made and not committed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.tx: Transaction | None = None
        self.made: dict[str, bytes] = {}


def _root_place(deployment: str) -> bytes:
    return bind("meta", _ROOT, 1, deployment)


def _decoded(wrapped: str) -> bytes:
    try:
        return base64.b64decode(wrapped, validate=True)
    except ValueError as error:
        raise IntegrityFailed("the database's root key is damaged") from error
