"""Servers come and go; their tools are observed, reviewed and approved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remit.catalog import review as rules
from remit.catalog.model import Server
from remit.catalog.observe import Observation, observe
from remit.catalog.ports import Lister
from remit.catalog.restless import Listings, waits
from remit.catalog.sql import SqlServers, body, pins
from remit.kernel.clock import Clock
from remit.kernel.errors import NotFound
from remit.kernel.names import ServerName
from remit.people.change import Actor, Changed, record
from remit.people.ports import Records
from remit.storage.ports import Reader, Transaction, Writer

_SELF = Actor(by="remit")


class CatalogService:
    """State changes of servers and their tools."""

    def __init__(self, *, writer: Writer, reader: Reader, records: Records, lister: Lister, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._records = records
        self._lister = lister
        self._clock = clock
        self._listings = Listings()

    def servers(self) -> list[Server]:
        """Every server with its tools, by name."""
        return self._reader.read(lambda connection: SqlServers(connection).all())

    def server(self, name: str) -> Server:
        """One server with its tools.

        Raises:
            NotFound: There is none of that name.
        """
        return self._reader.read(lambda connection: _found(connection, name))

    def put(self, tx: Transaction, observed: Observation, *, by: Actor) -> None:
        """Register or update a server with its tools as they were observed, within a change."""
        after = observed.server
        before = SqlServers(tx.connection).find(after.server)
        if after == before:
            return
        SqlServers(tx.connection).put(after)
        self._record(tx, before, after, "create" if before is None else "update", by=by)
        self._note(tx, observed)

    def remove(self, tx: Transaction, name: ServerName, *, by: Actor) -> None:
        """Remove a server and its pins, within a change."""
        before = _found(tx.connection, name)
        SqlServers(tx.connection).remove(name)
        self._record(tx, before, None, "remove", by=by)

    def observe(
        self,
        name: str,
        definitions: Sequence[Any],
        *,
        known: Server | None = None,
        by: Actor | None = None,
        whole: bool = True,
    ) -> Server:
        """Compare a listing, of all that the server has if it is `whole`, with the pins; keep what is new about it.

        Give the server of the current view as `known`: then a listing that says nothing new, which
        is every usual one, costs no transaction. Without `by` it is Remit that looks, and what a server says anew too
        often waits (`restless.py`).

        Raises:
            NotFound: There is no such server.
        """
        if known is not None and observe(known, definitions, whole=whole).server == known:
            return known
        alone = by is None or by == _SELF
        if alone and self._listings.full(name, self._clock.now()):
            standing = known or self.server(name)
            if waits(standing, observe(standing, definitions, whole=whole).server):
                return self._put_off(standing)

        def apply(tx: Transaction) -> Server:
            before = _found(tx.connection, name)
            observed = observe(before, definitions, whole=whole)
            if observed.server != before:
                SqlServers(tx.connection).put(observed.server)
                self._record(tx, before, observed.server, "observe", by=by or _SELF)
                self._note(tx, observed)
                if alone:
                    self._listings.took(name, self._clock.now())
            return observed.server

        return self._writer.change(apply)

    def _put_off(self, server: Server) -> Server:
        """A listing waits, and a person should know."""
        if self._listings.tell(server.server, self._clock.now()):
            said = {"what": "server_restless", "server": server.server, "tools": []}
            self._writer.change(lambda tx: tx.record(self._records.entry("incident", said)))
        return server

    def refresh(self, name: str, *, by: Actor) -> Server:
        """Ask the server for its tools now, and observe them.

        Raises:
            NotFound, Unreached: There is no such server; it did not answer.
        """
        server = self.server(name)
        return self.observe(name, self._lister.list_tools(server), known=server, by=by)

    def review(self, name: str) -> list[rules.Waiting]:
        """What waits for a person at this server.

        Raises:
            NotFound: There is no such server.
        """
        return rules.waiting(self.server(name), self.servers())

    def approve(self, name: str, *, by: Actor, pins: Mapping[str, str] | None = None) -> Server:
        """Approve what was seen: all of it, or what `pins` (tool to `seen_pin`) says the person looked at.

        Raises:
            NotFound, Conflict: There is no such server; a tool changed since it was looked at.
        """

        def apply(tx: Transaction) -> Server:
            before = _found(tx.connection, name)
            after = rules.accept(before, pins)
            if after != before:
                SqlServers(tx.connection).put(after)
                self._record(tx, before, after, "approve", by=by)
            return after

        return self._writer.change(apply)

    def _record(self, tx: Transaction, before: Server | None, after: Server | None, change: str, *, by: Actor) -> None:
        name = after.server if after is not None else before.server if before is not None else ""
        tx.touch(f"server:{name}")
        changed = Changed(
            what="server",
            name=name,
            change=change,
            before=None if before is None else body(before) + pins(before),
            after=None if after is None else body(after) + pins(after),
            more={"set_pin": "" if after is None else after.set_pin} | _sent(after),
        )
        record(tx, self._records, changed, by=by)

    def _note(self, tx: Transaction, observed: Observation) -> None:
        """One incident per kind of finding: a person should look, and the log says since when."""
        found: dict[str, list[str]] = {}
        for finding in observed.findings:
            found.setdefault(finding.what, []).append(finding.tool)
        for what, names in found.items():
            fields = {"what": what, "server": observed.server.server, "tools": names}
            tx.record(self._records.entry("incident", fields))


def _sent(server: Server | None) -> dict[str, Any]:
    """Which secret goes where, in clear: the log says where a credential was pointed at."""
    if server is None:
        return {}
    return {"host": server.secret_host, "secret": None if server.credential is None else server.credential.secret}


def _found(connection: Any, name: str) -> Server:  # noqa: ANN401 - a Connection
    server = SqlServers(connection).find(ServerName(name))
    if server is None:
        raise NotFound(f"there is no server {name}")
    return server
