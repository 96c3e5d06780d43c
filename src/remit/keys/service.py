"""The key ring: every key of the deployment, opened once with the provider and held in memory.

provider (keyfile)
  wraps the root key (`meta.root_key`)
    derives (HKDF) the wrapping key, and keys for other uses by label
      seals the data keys (per agent, per secret, for operators) and the signing keys
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterable

from sqlalchemy import Connection

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import Clock, Instant, SystemClock
from remit.kernel.errors import IntegrityFailed, NotFound
from remit.kernel.names import new_id
from remit.keys.derive import WRAP, derive
from remit.keys.jwk import ED25519, ES256, SigningKey, generate, private_key
from remit.keys.model import TokenKeys, log_key
from remit.keys.ports import Provider
from remit.keys.seal import KEY_BYTES, bind, seal, unseal
from remit.keys.secret import Secret
from remit.keys.sql import SqlKeys, WrappedKey
from remit.storage.ports import Transaction

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

    def __init__(
        self, deployment: str, root: Secret, signing: list[tuple[WrappedKey, SigningKey]], clock: Clock
    ) -> None:
        self.deployment = deployment
        self.log_key = log_key(deployment, _active(signing, "log"))
        self.token_keys = TokenKeys(
            active=_active(signing, "token"),
            verifying={key.kid: key.public for row, key in signing if row.use == "token" and row.state != "retired"},
        )
        self._root = root
        self._clock = clock
        self._wrapping = derive(root, WRAP)
        self._data_keys: dict[str, bytes] = {}
        self._change = _Change()

    @classmethod
    def create(cls, tx: Transaction, provider: Provider, *, now: Instant) -> None:
        """Make the keys of a new database: deployment id, root, log key, token key, the operators' data key."""
        rows = SqlKeys(tx.connection)
        deployment, root = new_id("dep"), os.urandom(KEY_BYTES)
        rows.put_meta(_DEPLOYMENT, deployment)
        wrapped = provider.wrap(root, aad=bind("meta", _ROOT, 1, deployment))
        rows.put_meta(_ROOT, base64.b64encode(wrapped).decode("ascii"))
        wrapping = derive(Secret(root), WRAP)
        for use, algorithm in (("log", ED25519), ("token", ES256)):
            rows.put_signing_key(_new_signing_key(wrapping, use, algorithm), now=now)
        sealed = seal(wrapping, os.urandom(KEY_BYTES), aad=("data_keys", _OPERATORS, 1))
        rows.put_data_key(_OPERATORS, 1, sealed, now=now)

    @classmethod
    def open(cls, connection: Connection, provider: Provider, *, clock: Clock | None = None) -> KeyRing:
        """Open the keys of an existing database.

        Raises:
            KeyfileWrong: The provider's key is not the one that made them.
            IntegrityFailed: A key is missing or damaged.
        """
        rows = SqlKeys(connection)
        deployment, wrapped = rows.meta(_DEPLOYMENT), rows.meta(_ROOT)
        if deployment is None or wrapped is None:
            raise IntegrityFailed("the database has no root key")
        root = Secret(provider.unwrap(base64.b64decode(wrapped), aad=bind("meta", _ROOT, 1, deployment)))
        wrapping = derive(root, WRAP)
        signing = [(row, _open_signing_key(wrapping, row)) for row in rows.signing_keys() if row.state != "retired"]
        ring = cls(deployment, root, signing, clock or SystemClock())
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
        version, key = rows.newest_version(owner) + 1, os.urandom(KEY_BYTES)
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

    def follow(self, epoch: int, topics: tuple[str, ...], connection: Connection) -> None:  # noqa: ARG002 - Feed's shape
        """What to subscribe to the feed: reload the data keys of the owners that changed."""
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

    def _reload(self, found: Iterable[tuple[str, int, bytes]]) -> None:
        for owner, version, wrapped in found:
            self._data_keys[owner] = self._open_data_key(owner, version, wrapped)

    def _open_data_key(self, owner: str, version: int, wrapped: bytes) -> bytes:
        return unseal(self._wrapping, wrapped, aad=("data_keys", owner, version))


class _Change(threading.local):
    """The data keys that the change running on this thread has made and not committed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.tx: Transaction | None = None
        self.made: dict[str, bytes] = {}


def _place(kid: str, use: str, algorithm: str, public: str) -> tuple[str | int, ...]:
    return ("signing_keys", kid, 1, use, algorithm, public)


def _new_signing_key(wrapping: bytes, use: str, algorithm: str) -> WrappedKey:
    jwk = generate(algorithm)
    public = canonical({name: value for name, value in jwk.items() if name != "d"}).decode("utf-8")
    sealed = seal(wrapping, canonical(jwk), aad=_place(jwk["kid"], use, algorithm, public))
    return WrappedKey(jwk["kid"], use, algorithm, public, sealed, "active")


def _open_signing_key(wrapping: bytes, row: WrappedKey) -> SigningKey:
    opened = unseal(wrapping, row.wrapped, aad=_place(row.kid, row.use, row.algorithm, row.public))
    return private_key(parse(opened))


def _active(signing: list[tuple[WrappedKey, SigningKey]], use: str) -> SigningKey:
    for row, key in signing:
        if row.use == use and row.state == "active":
            return key
    raise IntegrityFailed(f"the database has no {use} key")
