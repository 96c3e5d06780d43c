"""The keys of a database that no server has open, for a verifier who was given the keyfile."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from remit.kernel.errors import IntegrityFailed
from remit.keys.derive import WRAP, derive
from remit.keys.ports import Provider
from remit.keys.seal import bind, unseal
from remit.keys.secret import Secret

Rows = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]


class OfflineKeys:
    """Opens data keys one by one, and remembers them."""

    def __init__(self, rows: Rows, root: Secret) -> None:
        self._rows = rows
        self._root = root
        self._wrapping = derive(root, WRAP)
        self._known: dict[str, tuple[bytes | None, bool]] = {}

    @classmethod
    def open(cls, rows: Rows, provider: Provider) -> OfflineKeys:
        """Open the root key.

        Raises:
            KeyfileWrong: The provider's key is not the one that made it.
            IntegrityFailed: It is missing or damaged.
        """
        found = {key: value for key, value in rows("SELECT key, value FROM meta", ())}  # noqa: C416 - rows, not pairs
        deployment, wrapped = found.get("deployment"), found.get("root_key")
        if not isinstance(deployment, str) or not isinstance(wrapped, str):
            raise IntegrityFailed("the database has no root key")
        try:
            sealed = base64.b64decode(wrapped, validate=True)
        except ValueError as error:
            raise IntegrityFailed("the database's root key is damaged") from error
        return cls(rows, Secret(provider.unwrap(sealed, aad=bind("meta", "root_key", 1, deployment))))

    def derive(self, label: str) -> bytes:
        """A 32-byte key for the use that `label` names."""
        return derive(self._root, label)

    def data_key(self, owner: str) -> tuple[bytes | None, bool]:
        """The owner's newest data key (None: there is none), and whether one of theirs was ever erased."""
        if owner not in self._known:
            query = "SELECT version, wrapped FROM data_keys WHERE owner = ? ORDER BY version"
            found = [(version, wrapped) for version, wrapped in self._rows(query, (owner,))]
            erased = any(wrapped is None for _, wrapped in found)
            version, wrapped = found[-1] if found else (0, None)
            key = (
                None
                if wrapped is None
                else unseal(self._wrapping, bytes(wrapped), aad=("data_keys", owner, int(version)))
            )
            self._known[owner] = key, erased
        return self._known[owner]
