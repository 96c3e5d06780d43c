"""Versions of secrets are made, brought into use and erased, each within a change of state.

Nothing here speaks to another system, and nothing here records: the caller does both. Memory follows the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from remit.kernel.clock import Instant
from remit.kernel.errors import Conflict, NotFound
from remit.kernel.names import SecretName, check_name
from remit.keys.seal import seal
from remit.keys.service import KeyRing
from remit.storage.ports import Transaction
from remit.vault.model import (
    HELD,
    Material,
    Version,
    VersionState,
    check_material,
    key_owner,
    place,
    topic,
)
from remit.vault.sql import SqlSecrets

KEPT: Final = 100  # versions of a secret that are over, and still listed
_NEXT: Mapping[VersionState, tuple[VersionState, ...]] = {
    VersionState.PENDING: (VersionState.ACTIVE, VersionState.FAILED),
    VersionState.ACTIVE: (VersionState.DRAINING, VersionState.REVOKED),
    VersionState.DRAINING: (VersionState.REVOKED,),
    VersionState.REVOKED: (),
    VersionState.FAILED: (),
}


class Versions:
    """Changes versions. Synchronous, on the writer's thread."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def begin(self, tx: Transaction, name: SecretName, material: Material, *, now: Instant) -> Version:
        """A new version, pending.

        Raises:
            Malformed: The name is ill-formed, or the value fits no place of a call, or it stands in an attribute.
        """
        check_name(name, what="a secret's name")
        check_material(material)
        rows = SqlSecrets(tx.connection)
        if rows.active(name) is None:
            rows.put(name, version=0, now=now)
        version = rows.newest(name) + 1
        made = Version(
            secret=name, version=version, state=VersionState.PENDING, sealed=None, key=key_owner(name, version),
            attributes=dict(material.attributes), made=now, since=now,
        )  # fmt: skip
        made = self._sealed(tx, made, material)
        rows.add(made)
        rows.forget(name, version - KEPT)  # the log has them all; each change of a secret is hashed with all its rows
        tx.touch(topic(name))
        return made

    def fill(self, tx: Transaction, it: Version, material: Material) -> Version:
        """What a provider chose, in the place of what had been reserved for it. Only while it is pending.

        Raises:
            Conflict: It is not pending any more.
            Malformed: The value fits no place that a call has for it, or stands in an attribute.
        """
        check_material(material)
        after = self._sealed(tx, replace(it, attributes=dict(material.attributes)), material)
        if it.state is not VersionState.PENDING or not SqlSecrets(tx.connection).move(it, after):
            raise _meanwhile(it)
        tx.touch(topic(it.secret))
        return after

    def promote(self, tx: Transaction, it: Version, *, now: Instant) -> Version | None:
        """Calls use this one from the commit on; what they used so far drains, and is returned.

        Raises:
            Conflict: It is not pending any more.
        """
        rows = SqlSecrets(tx.connection)
        before = rows.version(it.secret, rows.active(it.secret) or 0)
        if before is not None:
            before = self._move(tx, before, VersionState.DRAINING, now=now)
        self._move(tx, it, VersionState.ACTIVE, now=now)
        rows.put(it.secret, version=it.version, now=now)
        return before

    def end(self, tx: Transaction, it: Version, state: VersionState, *, now: Instant) -> Version:
        """Erase a version's value for ever: `revoked` or `failed`.

        Raises:
            Conflict: It is in another state by now, or calls use it: another one is promoted first, or `retire`.
        """
        if it.state is VersionState.ACTIVE:
            raise Conflict("calls use this version", detail=f"{it.secret} version {it.version}")
        return self._move(tx, it, state, now=now)

    def retire(self, tx: Transaction, name: SecretName, *, now: Instant) -> Version | None:
        """No version is used any more: calls that need the secret are refused until there is another."""
        rows = SqlSecrets(tx.connection)
        before = rows.version(name, rows.active(name) or 0)
        if before is None:
            return None
        rows.put(name, version=0, now=now)
        return self._move(tx, before, VersionState.REVOKED, now=now)

    def expose(self, tx: Transaction, it: Version, why: str, *, now: Instant) -> Version:
        """Mark a version as known elsewhere; the first to say so stays. Its state does not change by it."""
        if it.exposed is not None:
            return it
        after = replace(it, exposed=now, exposure=why)
        if not SqlSecrets(tx.connection).move(it, after):
            raise _meanwhile(it)
        tx.touch(topic(it.secret))
        return after

    def find(self, tx: Transaction, name: str, version: int) -> Version:
        """A version as it is now.

        Raises:
            NotFound: There is none.
        """
        found = SqlSecrets(tx.connection).version(name, version)
        if found is None:
            raise NotFound(
                "there is no such version", detail=f"{name} version {version}", try_=f"remit secret show {name}"
            )
        return found

    def _sealed(self, tx: Transaction, it: Version, material: Material) -> Version:
        key = self._keys.ensure_data_key(tx, it.key)
        at = place(it.secret, it.version, material.attributes)
        return replace(it, sealed=seal(key, material.value.reveal(), aad=at))

    def _move(self, tx: Transaction, before: Version, state: VersionState, *, now: Instant) -> Version:
        after = replace(before, state=state, since=Instant(max(now, before.since)))
        if state not in HELD:
            after = replace(after, sealed=None)
            self._keys.erase_data_key(tx, before.key)
        if state not in _NEXT[before.state] or not SqlSecrets(tx.connection).move(before, after):
            raise _meanwhile(before)
        tx.touch(topic(before.secret))
        return after


def _meanwhile(it: Version) -> Conflict:
    return Conflict("this version was changed meanwhile", detail=f"{it.secret} version {it.version}")
