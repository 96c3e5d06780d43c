"""Which people lent which accounts: kept sealed, each under a data key of its own, which is erased with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from remit.storage.ports import Transaction, Writer
from remit.vault.connection import Connection, ConnectionState, key_owner, place
from remit.vault.connection_sql import SqlConnections
from remit.vault.model import SecretUnavailable

CLAIM: Final = 30 * SECOND  # for how long one node refreshes; longer than it waits for an answer
_MACHINE: Final = Actor(by="remit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A refresh token, for whoever holds the claim on it and nobody else."""

    connection: Connection
    refresh: Secret


class Connections:
    """Keeps connections. Synchronous, but for `find` and `listing`, which read memory.

    Subscribe `follow` to the feed after the key ring's.
    """

    def __init__(self, keys: KeyRing, *, writer: Writer, records: Records, clock: Clock) -> None:
        self._keys = keys
        self._writer = writer
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

    def connect(
        self, secret: SecretName, person: OwnerName, refresh: Secret, *, client: str, scope: str, by: Actor
    ) -> Connection:
        """Keep what a person lent to `client` (`lent_to`); in the place of what they lent before."""
        now = self._clock.now()

        def apply(tx: Transaction) -> Connection:
            before = SqlConnections(tx.connection).find(f"{secret}/{person}")
            version = 1 if before is None else before.version + 1
            after = Connection(
                secret=secret, person=person, state=ConnectionState.LIVE, client=client, scope=scope, version=version,
                sealed=self._sealed(tx, secret, person, version, refresh), connected=now, changed=now,
            )  # fmt: skip
            return self._keep(tx, after, "connect", by=by)

        return self._writer.change(apply)

    def claim(self, secret: str, person: str) -> Claimed | None:
        """The newest refresh token, for one refresh; None while another node refreshes.

        An authorization server that gives a new one each time takes the use of an old one for theft, and ends all of
        them (RFC 9700 section 4.14.2): two nodes must not use the same one.

        Raises:
            NotFound: It is not connected, or ended.
            SecretUnavailable: It does not open.
        """
        name, now = f"{secret}/{person}", self._clock.now()

        def apply(tx: Transaction) -> Connection | None:
            rows = SqlConnections(tx.connection)
            found = rows.find(name)
            if found is None or found.state is not ConnectionState.LIVE:
                raise NotFound("this is not connected", detail=name)
            return found if rows.claim(name, now=now, until=Instant(now + CLAIM)) else None

        found = self._writer.change(apply)
        if found is None:
            return None
        try:
            return Claimed(connection=found, refresh=self._open(found))
        except SecretUnavailable:
            self._released(name)
            raise

    def refreshed(self, claimed: Claimed, refresh: Secret | None) -> None:
        """Keep the new refresh token, if one came, and give the claim back. Durable when it returns.

        Raises:
            NotFound: It was disconnected or connected anew meanwhile: what came of the old one must not be used.
        """

        def apply(tx: Transaction) -> None:
            rows, before = SqlConnections(tx.connection), claimed.connection
            found = rows.find(before.name)
            if found is None or found.version != before.version:
                raise NotFound("this was disconnected meanwhile", detail=before.name)
            rows.release(before.name)
            if refresh is None or refresh.text() == claimed.refresh.text():
                return
            version = before.version + 1
            sealed = self._sealed(tx, before.secret, before.person, version, refresh)
            after = replace(before, version=version, sealed=sealed, changed=self._clock.now())
            self._keep(tx, after, "refresh", by=_MACHINE)

        self._writer.change(apply)

    def release(self, claimed: Claimed) -> None:
        """Give the claim back: nothing came of it."""
        self._released(claimed.connection.name)

    def ended(self, claimed: Claimed) -> None:
        """The other system takes it no more: it stays, ended, until the person connects again."""

        def apply(tx: Transaction) -> None:
            rows, before = SqlConnections(tx.connection), claimed.connection
            rows.release(before.name)
            found = rows.find(before.name)
            if found is not None and found.version == before.version:
                ended = replace(found, state=ConnectionState.ENDED, changed=self._clock.now())
                self._keep(tx, ended, "end", by=_MACHINE)

        self._writer.change(apply)

    def disconnect(self, secret: str, person: str, *, by: Actor) -> tuple[Connection, Secret | None]:
        """Delete it and the key that it was sealed with.

        Returns:
            It, and its refresh token, to be ended at the other system; None if that does not open.

        Raises:
            NotFound: It is not connected.
        """

        def apply(tx: Transaction) -> Connection:
            rows = SqlConnections(tx.connection)
            found = rows.find(f"{secret}/{person}")
            if found is None:
                raise NotFound(f"{person} has connected no account for {secret}", try_="remit secret list")
            opened.append(self._opened(found))
            rows.remove(found.name)
            self._keys.erase_data_key(tx, key_owner(found.secret, found.person))
            changed = Changed(what="connection", name=found.name, change="disconnect", before=None, after=None)
            record(tx, self._records, changed, by=by)
            return found

        opened: list[Secret | None] = []
        found = self._writer.change(apply)
        return found, opened[-1]

    def _released(self, name: str) -> None:
        self._writer.change(lambda tx: SqlConnections(tx.connection).release(name))

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

    def _opened(self, it: Connection) -> Secret | None:
        try:
            return self._open(it)
        except SecretUnavailable:
            return None  # it goes all the same

    def _open(self, it: Connection) -> Secret:
        try:
            key = self._keys.data_key(key_owner(it.secret, it.person))
            return Secret(unseal(key, it.sealed, aad=place(it.secret, it.person, it.version)))
        except (IntegrityFailed, NotFound) as error:
            raise SecretUnavailable("the server's credential does not open", detail=it.name) from error
