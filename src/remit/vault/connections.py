"""Which people lent which accounts: kept sealed, each under a data key of its own, which is erased with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection as Database

from remit.kernel.clock import SECOND, Clock, Instant
from remit.kernel.errors import IntegrityFailed, NotFound
from remit.kernel.names import OwnerName, SecretName
from remit.keys.seal import seal, unseal
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.ports import Transaction
from remit.vault.connection import Connection, ConnectionState, key_owner, place
from remit.vault.connection_sql import SqlConnections
from remit.vault.model import SecretUnavailable

CLAIM: Final = 30 * SECOND  # for how long one node refreshes; longer than it waits for an answer
_MACHINE: Final = Actor(by="remit")


class Connections:
    """Keeps connections. Synchronous; `find` and `listing` read memory. The caller commits what takes a `tx`.

    Subscribe `follow` to the feed after the key ring's.
    """

    def __init__(self, keys: KeyRing, *, records: Records, clock: Clock) -> None:
        self._keys = keys
        self._records = records
        self._clock = clock
        self._known: Mapping[str, Connection] = {}

    def reload(self, database: Database) -> None:
        """Read all of them anew, sealed."""
        self._known = {each.name: each for each in SqlConnections(database).all()}

    def follow(self, epoch: int, topics: tuple[str, ...], database: Database) -> None:  # noqa: ARG002 - Feed's shape
        """What to subscribe to the feed."""
        if any(topic.startswith("secret:") and "/" in topic for topic in topics):
            self.reload(database)

    def find(self, secret: str, person: str) -> Connection | None:
        """What that person lent for that secret, ended or not."""
        return self._known.get(f"{secret}/{person}")

    def listing(self) -> list[Connection]:
        """All of them, by secret and person."""
        return [self._known[name] for name in sorted(self._known)]

    def open(self, it: Connection) -> Secret:
        """Its refresh token.

        Raises:
            SecretUnavailable: It does not open.
        """
        try:
            key = self._keys.data_key(key_owner(it.secret, it.person))
            return Secret(unseal(key, it.sealed, aad=place(it.secret, it.person, it.version)))
        except (IntegrityFailed, NotFound) as error:
            raise SecretUnavailable("the server's credential does not open", detail=it.name) from error

    def connect(
        self, tx: Transaction, secret: SecretName, person: OwnerName, refresh: Secret, *, client: str, scope: str,
        by: Actor,
    ) -> Connection:  # fmt: skip
        """Keep what a person lent to `client` (`lent_to`); in the place of what they lent before."""
        now, before = self._clock.now(), SqlConnections(tx.connection).find(f"{secret}/{person}")
        version = 1 if before is None else before.version + 1
        after = Connection(
            secret=secret, person=person, state=ConnectionState.LIVE, client=client, scope=scope, version=version,
            sealed=self._sealed(tx, secret, person, version, refresh), connected=now, changed=now,
        )  # fmt: skip
        return self._keep(tx, after, "connect", by=by)

    def claim(self, tx: Transaction, secret: str, person: str) -> Connection | None:
        """The newest one, for one refresh; None while another node refreshes.

        An authorization server that gives a new refresh token each time takes the use of an old one for theft, and
        ends all of them (RFC 9700 section 4.14.2): two nodes must not use the same one.

        Raises:
            NotFound: It is not connected, or ended.
        """
        rows, name, now = SqlConnections(tx.connection), f"{secret}/{person}", self._clock.now()
        found = rows.find(name)
        if found is None or found.state is not ConnectionState.LIVE:
            raise NotFound("this is not connected", detail=name)
        return found if rows.claim(name, now=now, until=Instant(now + CLAIM)) else None

    def refreshed(self, tx: Transaction, before: Connection, refresh: Secret | None) -> None:
        """Keep the new refresh token of one that was claimed, if one came, and give the claim back.

        Raises:
            NotFound: It was disconnected or connected anew meanwhile: what came of the old one must not be used.
        """
        rows = SqlConnections(tx.connection)
        found = rows.find(before.name)
        if found is None or found.version != before.version:
            raise NotFound("this was disconnected meanwhile", detail=before.name)
        rows.release(before.name)
        if refresh is None:
            return
        version = before.version + 1
        sealed = self._sealed(tx, before.secret, before.person, version, refresh)
        after = replace(before, version=version, sealed=sealed, changed=self._clock.now())
        self._keep(tx, after, "refresh", by=_MACHINE)

    def release(self, tx: Transaction, claimed: Connection) -> None:
        """Give the claim back: nothing came of it."""
        SqlConnections(tx.connection).release(claimed.name)

    def ended(self, tx: Transaction, before: Connection) -> None:
        """The other system takes it no more: it stays, ended, until the person connects again."""
        rows = SqlConnections(tx.connection)
        rows.release(before.name)
        found = rows.find(before.name)
        if found is not None and found.version == before.version:
            after = replace(found, state=ConnectionState.ENDED, changed=self._clock.now())
            self._keep(tx, after, "end", by=_MACHINE)

    def disconnect(self, tx: Transaction, secret: str, person: str, *, by: Actor) -> Connection:
        """Delete it and the key that it was sealed with: open it within the change, or never again.

        Raises:
            NotFound: It is not connected.
        """
        rows = SqlConnections(tx.connection)
        found = rows.find(f"{secret}/{person}")
        if found is None:
            raise NotFound(f"{person} has connected no account for {secret}", try_="remit secret list")
        rows.remove(found.name)
        self._keys.erase_data_key(tx, key_owner(found.secret, found.person))
        changed = Changed(what="connection", name=found.name, change="disconnect", before=None, after=None)
        record(tx, self._records, changed, by=by)
        return found

    def _keep(self, tx: Transaction, it: Connection, change: str, *, by: Actor) -> Connection:
        SqlConnections(tx.connection).put(it)
        more = {"version": it.version, "scope": it.scope}
        changed = Changed(what="connection", name=it.name, change=change, before=None, after=None, more=more)
        record(tx, self._records, changed, by=by)
        tx.touch(key_owner(it.secret, it.person))
        return it

    def _sealed(self, tx: Transaction, secret: str, person: str, version: int, refresh: Secret) -> bytes:
        key = self._keys.ensure_data_key(tx, key_owner(secret, person))
        return seal(key, refresh.reveal(), aad=place(secret, person, version))
