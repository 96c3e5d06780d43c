"""The trusts that operators declared: their rows, and what this node knows of them in memory."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select, update

from remit.attestation.trust import SPIFFE, Trust, body, stored
from remit.kernel.clock import Clock, Instant
from remit.kernel.errors import Conflict, Malformed, NotFound
from remit.logs import logger
from remit.outbound.model import Endpoint
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.identity_schema import trusts
from remit.storage.ports import Transaction

TOPIC = "trusts"
_log = logger("remit.attestation")


def put(tx: Transaction, trust: Trust, *, now: Instant, replace: bool = False) -> str | None:
    """Declare a trust, or declare it anew; the body it had.

    Raises:
        Conflict: There is one of that name (unless it is to be replaced), or another one of the same issuer: which of
            two was meant, a token could not say.
    """
    connection = tx.connection
    known = connection.execute(select(trusts.c.trust, trusts.c.body).where(trusts.c.trust == trust.trust)).first()
    before: str | None = None if known is None else known.body
    if before is not None and not replace:
        raise Conflict("there is a trust of that name", try_=f"remit trust remove {trust.trust}")
    for each in every(connection):
        if each.trust != trust.trust and each.issuer == trust.issuer:
            name = each.trust
            raise Conflict("there is a trust of that issuer already", detail=name, try_=f"remit trust show {name}")
    text = body(trust)
    if text == before:
        return before
    if before is None:
        connection.execute(insert(trusts).values(trust=trust.trust, body=text, created=now))
    else:
        connection.execute(update(trusts).where(trusts.c.trust == trust.trust).values(body=text))
    tx.touch(TOPIC)
    return before


def remove(tx: Transaction, name: str) -> str:
    """Take its issuer's word for nothing any more; the body it had.

    Raises:
        NotFound: There is none of that name.
    """
    gone = tx.connection.execute(delete(trusts).where(trusts.c.trust == name).returning(trusts.c.body)).first()
    if gone is None:
        raise NotFound("there is no trust of that name", try_="remit trust list")
    tx.touch(TOPIC)
    text: str = gone.body
    return text


class Declaring:
    """Changes of trusts, with their entries in the log."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def put(self, tx: Transaction, trust: Trust, *, by: Actor, replace: bool = True) -> None:
        """Declare a trust, or (unless `replace` is false) declare it anew.

        Raises:
            Conflict: See `put`.
        """
        before, after = put(tx, trust, now=self._clock.now(), replace=replace), body(trust)
        if before == after:
            return
        # Whose word is taken, and for which audience, is said in clear.
        more = {"issuer": trust.issuer, "audience": trust.audience, "preset": trust.preset}
        change = "create" if before is None else "update"
        changed = Changed(what="trust", name=trust.trust, change=change, before=before, after=after, more=more)
        record(tx, self._records, changed, by=by)

    def remove(self, tx: Transaction, name: str, *, by: Actor) -> None:
        """Take its issuer's word for nothing any more.

        Raises:
            NotFound: There is none of that name.
        """
        before = remove(tx, name)
        record(tx, self._records, Changed(what="trust", name=name, change="delete", before=before, after=None), by=by)


def find(connection: Connection, name: str) -> Trust | None:
    """One trust by its name, from the database."""
    text = connection.execute(select(trusts.c.body).where(trusts.c.trust == name)).scalar_one_or_none()
    return None if text is None else stored(name, text)


def every(connection: Connection) -> list[Trust]:
    """Every trust that can be read, by name, from the database. A damaged row is logged and trusted for nothing."""
    found = []
    for row in connection.execute(select(trusts).order_by(trusts.c.trust)):
        try:
            found.append(stored(row.trust, row.body))
        except (Malformed, TypeError, KeyError) as error:
            _log.error("a declared trust cannot be read", trust=row.trust, detail=repr(error))
    return found


class Trusts:
    """Every declared trust. Implements `attestation.ports.Trusted`; memory only, reloaded on change."""

    def __init__(self) -> None:
        self._known: Mapping[str, Trust] = {}
        self._issuers: Mapping[str, Trust] = {}

    def reload(self, connection: Connection) -> None:
        """Read all again."""
        known = {each.trust: each for each in every(connection)}
        self._issuers = {each.issuer: each for each in known.values() if each.preset != SPIFFE}
        self._known = known

    def follow(self, _epoch: int, topics: tuple[str, ...], connection: Connection) -> None:
        """What to subscribe to the feed."""
        if TOPIC in topics:
            self.reload(connection)

    def listing(self) -> list[Trust]:
        """Every one, by name."""
        return list(self._known.values())

    def find(self, name: str) -> Trust | None:
        """One by its name."""
        return self._known.get(name)

    def of_issuer(self, issuer: str) -> Trust | None:
        """The one of this `iss`, which is no SPIFFE trust domain."""
        return self._issuers.get(issuer)

    def of_domain(self, domain: str) -> Trust | None:
        """The SPIFFE trust domain of that name."""
        found = self._known.get(domain)
        return found if found is not None and found.preset == SPIFFE else None

    def endpoints(self) -> frozenset[Endpoint]:
        """Hosts and ports that operators wrote and said may be private."""
        return frozenset(at for each in self._known.values() for at in each.endpoints)
