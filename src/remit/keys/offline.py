"""The keys of a database that no server has open, for a verifier who was given the keyfile."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from remit.kernel.errors import IntegrityFailed
from remit.keys import generations
from remit.keys.derive import WRAP, derive
from remit.keys.generations import FIRST, data_key_place, root_place
from remit.keys.ports import Provider
from remit.keys.seal import SealingKey, unseal
from remit.keys.secret import Secret

Rows = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]


class OfflineKeys:
    """Opens data keys one by one, and remembers them."""

    def __init__(self, rows: Rows, roots: Mapping[int, Secret], *, counted: bool) -> None:
        self._rows = rows
        self._wrapping = {at: SealingKey(derive(root, WRAP)) for at, root in roots.items()}
        self._generation = "generation" if counted else "NULL"
        self._known: dict[str, tuple[bytes | None, bool]] = {}
        found, _ = self.data_key("derived")
        self._derived = roots.get(FIRST) if found is None else Secret(found)

    @classmethod
    def open(cls, rows: Rows, provider: Provider) -> OfflineKeys:
        """Open the root keys.

        Raises:
            KeyfileWrong: The provider's key is not the one that made them.
            IntegrityFailed: They are missing or damaged.
        """
        found = {key: value for key, value in rows("SELECT key, value FROM meta", ())}  # noqa: C416 - rows, not pairs
        deployment = found.get("deployment")
        # A copy may be of a version that had one root key, in `meta`.
        counted = "root_key" not in found
        wrapped = _roots(rows) if counted else {FIRST: _decoded(found["root_key"])}
        if not isinstance(deployment, str) or not wrapped:
            raise IntegrityFailed("the database has no root key")
        roots = {at: Secret(provider.unwrap(each, aad=root_place(deployment, at))) for at, each in wrapped.items()}
        return cls(rows, roots, counted=counted)

    def derive(self, label: str) -> bytes:
        """A 32-byte key for the use that `label` names.

        Raises:
            IntegrityFailed: The key that others are derived from is missing.
        """
        if self._derived is None:
            raise IntegrityFailed("the database has no key to derive others from", detail="data key derived")
        return derive(self._derived, label)

    def data_key(self, owner: str) -> tuple[bytes | None, bool]:
        """The owner's newest data key (None: there is none), and whether one of theirs was ever erased."""
        if owner not in self._known:
            query = f"SELECT version, {self._generation}, wrapped FROM data_keys WHERE owner = ? ORDER BY version"  # noqa: S608 - a constant
            found = list(self._rows(query, (owner,)))
            erased = any(wrapped is None for _, _, wrapped in found)
            version, generation, wrapped = found[-1] if found else (0, None, None)
            key = None if wrapped is None else self._opened(owner, int(version), generation, bytes(wrapped))
            self._known[owner] = key, erased
        return self._known[owner]

    def _opened(self, owner: str, version: int, at: int | None, wrapped: bytes) -> bytes:
        generation = generations.read(at)
        if (wrapping := self._wrapping.get(generation)) is None:
            raise IntegrityFailed("a key is sealed by a root key that there is not", detail=f"{generation}")
        return unseal(wrapping, wrapped, aad=data_key_place(owner, version, generation))


def _roots(rows: Rows) -> dict[int, bytes]:
    query = "SELECT generation, wrapped FROM roots WHERE wrapped IS NOT NULL"
    found: dict[Any, Any] = {generation: wrapped for generation, wrapped in rows(query, ())}  # noqa: C416 - rows, not pairs
    if not all(type(at) is int and isinstance(wrapped, (bytes, memoryview)) for at, wrapped in found.items()):
        raise IntegrityFailed("the database's root key is damaged")
    return {at: bytes(wrapped) for at, wrapped in found.items()}


def _decoded(wrapped: object) -> bytes:
    try:
        return base64.b64decode(wrapped, validate=True) if isinstance(wrapped, str) else b""
    except ValueError as error:
        raise IntegrityFailed("the database's root key is damaged") from error
